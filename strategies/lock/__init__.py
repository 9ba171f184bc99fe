"""The lock family: race for every fire; whoever takes the job's lock runs it."""
