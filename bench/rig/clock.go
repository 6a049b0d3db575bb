//go:build linux

package rig

import (
	"fmt"
	"os"
	"syscall"
	"time"
	"unsafe"
)

const clockMonotonic = 1 // CLOCK_MONOTONIC of clock_gettime(2)

// Clock reads CLOCK_MONOTONIC, which all processes of a machine share: a time stamped by the mock can be compared with
// one taken by the client. Its fixed error, the width of the bracket around one system call, is well under 1 us.
type Clock struct {
	base int64     // CLOCK_MONOTONIC at the anchor, ns
	at   time.Time // the same instant, with Go's monotonic reading
}

// NewClock anchors a clock.
func NewClock() (Clock, error) {
	best := Clock{}
	width := time.Duration(1<<63 - 1)
	for range 50 { // the narrowest of several brackets: one of them was not interrupted
		before := time.Now()
		raw, err := readClock(clockMonotonic)
		if err != nil {
			return Clock{}, fmt.Errorf("read monotonic clock: %w", err)
		}
		if w := time.Since(before); w < width {
			width, best = w, Clock{base: raw, at: before.Add(w / 2)}
		}
	}
	return best, nil
}

// At returns a time of this process as CLOCK_MONOTONIC in nanoseconds. It must have Go's monotonic reading.
func (c Clock) At(t time.Time) int64 { return c.base + int64(t.Sub(c.at)) }

// Now returns CLOCK_MONOTONIC in nanoseconds. time.Since goes through the vDSO, so that a reading costs no system call.
func (c Clock) Now() int64 { return c.base + int64(time.Since(c.at)) }

// readClock calls clock_gettime for a clock id, which may be that of another process's CPU time.
func readClock(id uintptr) (int64, error) {
	var ts syscall.Timespec
	if _, _, errno := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, id, uintptr(unsafe.Pointer(&ts)), 0); errno != 0 {
		return 0, errno
	}
	return ts.Nano(), nil
}

// Alarm wakes one goroutine at absolute times of CLOCK_MONOTONIC. Go's own timers wait in epoll with a resolution of
// 1 ms when the process is idle, as much as ten times the latencies measured here; a timerfd is a file that becomes
// readable on time.
type Alarm struct {
	file *os.File
	fd   uintptr // of file; File.Fd would make it blocking
	buf  [8]byte // owned by wait
}

// NewAlarm makes an alarm that is not set.
func NewAlarm() (*Alarm, error) {
	fd, _, errno := syscall.Syscall(syscall.SYS_TIMERFD_CREATE, clockMonotonic, syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if errno != 0 {
		return nil, fmt.Errorf("create timerfd: %w", errno)
	}
	return &Alarm{file: os.NewFile(fd, "timerfd"), fd: fd}, nil
}

// Set replaces the time at which wait returns. It may be called while another goroutine waits.
func (a *Alarm) Set(at int64) error {
	const absolute = 1 // TFD_TIMER_ABSTIME
	// A zero time would disarm the alarm; a time that has passed fires at once.
	spec := [2]syscall.Timespec{1: syscall.NsecToTimespec(max(at, 1))}
	_, _, errno := syscall.Syscall6(syscall.SYS_TIMERFD_SETTIME, a.fd, absolute, uintptr(unsafe.Pointer(&spec)), 0, 0, 0)
	if errno != 0 {
		return fmt.Errorf("set timerfd: %w", errno)
	}
	return nil
}

// Wait blocks until the time that was set has come. It returns an error after close.
func (a *Alarm) Wait() error {
	_, err := a.file.Read(a.buf[:])
	return err
}

// Until returns when c reads at least at.
func (a *Alarm) Until(c Clock, at int64) error {
	for c.Now() < at {
		if err := a.Set(at); err != nil {
			return err
		}
		if err := a.Wait(); err != nil {
			return fmt.Errorf("wait for timerfd: %w", err)
		}
	}
	return nil
}

func (a *Alarm) Close() error { return a.file.Close() }
