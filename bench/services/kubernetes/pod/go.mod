module coordbench/pod

go 1.24
