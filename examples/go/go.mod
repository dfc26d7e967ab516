module clip-in-example

go 1.19
