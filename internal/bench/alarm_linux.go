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
	fd     uintptr // of file; File.Fd would make it blocking
	buf    [8]byte // owned by until
	closed atomic.Bool
}

func newPreciseAlarm() (alarm, error) {
	const clockMonotonic = 1
	fd, _, errno := syscall.Syscall(syscall.SYS_TIMERFD_CREATE, clockMonotonic, syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if errno != 0 {
		return nil, fmt.Errorf("create timerfd: %w", errno)
	}
	return &fdAlarm{file: os.NewFile(fd, "timerfd"), fd: fd}, nil
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
		spec := [2]syscall.Timespec{1: syscall.NsecToTimespec(int64(d))} // no interval
		_, _, errno := syscall.Syscall6(syscall.SYS_TIMERFD_SETTIME, a.fd, 0, uintptr(unsafe.Pointer(&spec)), 0, 0, 0)
		if errno != 0 {
			return false // closed meanwhile
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
