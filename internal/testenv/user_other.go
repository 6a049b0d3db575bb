//go:build !unix

package testenv

import "syscall"

// unprivileged returns how to run the server's programs: as they are.
func unprivileged(string) (*syscall.SysProcAttr, error) { return nil, nil }
