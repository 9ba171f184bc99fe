"""A fleet that is kept up, for people to watch and to break by hand (docs/chaos-by-hand.md).

`coordbench up` runs it and shows it, `coordbench chaos ...` in another terminal acts on it, and
`coordbench down` ends it.
"""
