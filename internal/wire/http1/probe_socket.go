//go:build linux || darwin || freebsd || netbsd || openbsd

package http1

import (
	"net"
	"syscall"
)

// prober returns a function that looks, without waiting and without taking a byte, whether the other side has closed the
// connection or sent something. It returns nil where that cannot be seen.
func prober(nc net.Conn) func() bool {
	sc, ok := nc.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nil
	}
	var quiet bool
	look := func(fd uintptr) bool {
		var b [1]byte
		_, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		quiet = err == syscall.EAGAIN || err == syscall.EWOULDBLOCK
		return true
	}
	return func() bool {
		quiet = false
		return raw.Read(look) == nil && quiet
	}
}
