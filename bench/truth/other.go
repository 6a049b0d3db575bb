//go:build !linux

package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "truth: the measurements read /proc and need Linux")
	os.Exit(1)
}
