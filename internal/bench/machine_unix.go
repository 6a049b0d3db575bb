//go:build unix

package bench

import (
	"fmt"
	"runtime"
	"syscall"
	"time"
)

// raiseFiles lifts the limit of open files to the hard limit and returns it.
func raiseFiles() (int64, error) {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return 0, fmt.Errorf("read limit of open files: %w", err)
	}
	if l.Cur < l.Max {
		raised := l
		raised.Cur = raised.Max
		if syscall.Setrlimit(syscall.RLIMIT_NOFILE, &raised) == nil { // macOS refuses what is over its own maximum
			l = raised
		}
	}
	return int64(min(uint64(l.Cur), 1<<40)), nil
}

// usage returns the CPU time that this process has used, and the most memory it had, in bytes.
func usage() (cpu time.Duration, memory int64) {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0, 0
	}
	memory = int64(u.Maxrss)
	if runtime.GOOS == "linux" || runtime.GOOS == "freebsd" { // kilobytes there, bytes on macOS
		memory <<= 10
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), memory
}
