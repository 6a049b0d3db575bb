//go:build !linux

package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "scheduler: the measurement runs processes in a way that needs Linux")
	os.Exit(1)
}
