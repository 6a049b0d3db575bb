package bench

import (
	"fmt"
	"os"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

// fdAlarm wakes a goroutine by a timerfd: a file that becomes readable on time. It has two uses over Go's timers. It is not
// bound to the millisecond in which an idle Go program waits for the network. And it comes by the same way as the bytes of a
// socket: when this program falls behind with reading answers, the alarm falls behind as much and shows it, whereas a Go
// timer is looked at first.
type fdAlarm struct {
	file   *os.File
	conn   syscall.RawConn // of file
	closed atomic.Bool

	// Owned by until.
	buf   [8]byte
	spec  [2]syscall.Timespec // interval, first
	errno syscall.Errno
	set   func(fd uintptr) // arms the timer with spec
}

func newPreciseAlarm() (alarm, error) {
	const clockMonotonic = 1
	fd, _, errno := syscall.Syscall(syscall.SYS_TIMERFD_CREATE, clockMonotonic, syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if errno != 0 {
		return nil, fmt.Errorf("create timerfd: %w", errno)
	}
	a := &fdAlarm{file: os.NewFile(fd, "timerfd")}
	var err error
	if a.conn, err = a.file.SyscallConn(); err != nil {
		a.close()
		return nil, fmt.Errorf("use timerfd: %w", err)
	}
	a.set = func(fd uintptr) {
		_, _, a.errno = syscall.Syscall6(syscall.SYS_TIMERFD_SETTIME, fd, 0, uintptr(unsafe.Pointer(&a.spec)), 0, 0, 0)
	}
	return a, nil
}

func (a *fdAlarm) until(t time.Time) bool {
	for {
		if a.closed.Load() {
			return false
		}
		d := time.Until(t)
		if d <= 0 {
			return true
		}
		a.spec[1] = syscall.NsecToTimespec(int64(d))
		// Both fail only for a file that is closed: the call keeps it open while it lasts.
		if err := a.conn.Control(a.set); err != nil || a.errno != 0 {
			return false
		}
		if _, err := a.file.Read(a.buf[:]); err != nil {
			return false
		}
	}
}

func (a *fdAlarm) close() {
	if !a.closed.Swap(true) {
		_ = a.file.Close() // nothing was written
	}
}
