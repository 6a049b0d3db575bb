//go:build linux

package main

import (
	"fmt"
	"runtime"
	"syscall"
	"time"

	"sluice/bench/rig"
)

// noise watches how much of the machine is used by processes that have no part in the measurement.
type noise struct {
	at        time.Time
	busy, own time.Duration
}

// maxNoise is the share of all CPUs above which figures near their limits are not to be believed.
const maxNoise = 0.10

func startNoise(l *lab) (*noise, error) {
	busy, own, err := l.used()
	if err != nil {
		return nil, fmt.Errorf("read use of CPUs: %w", err)
	}
	return &noise{time.Now(), busy, own}, nil
}

// end says how noisy it was.
func (n *noise) end(l *lab) string {
	busy, own, err := l.used()
	if err != nil {
		return "noise unknown: " + err.Error()
	}
	share := noiseShare(time.Since(n.at), busy-n.busy, own-n.own, runtime.NumCPU())
	text := fmt.Sprintf("others used %.0f %% of the CPUs", 100*share)
	if share > maxNoise {
		text += ": TOO NOISY to settle a bar"
	}
	return text
}

// noiseShare is what others used of the CPUs. The kernel's ticks are coarse, so that it can come out below zero.
func noiseShare(wall, busy, own time.Duration, cpus int) float64 {
	return max(0, float64(busy-own)/float64(wall)/float64(cpus))
}

// used returns the time that the CPUs have been busy, and the part of it that is this program's and its children's.
func (l *lab) used() (busy, own time.Duration, err error) {
	all := make([]int, runtime.NumCPU())
	for i := range all {
		all[i] = i
	}
	if busy, err = rig.CoreTime(all); err != nil {
		return 0, 0, err
	}
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} { // children that have ended
		var u syscall.Rusage
		if err := syscall.Getrusage(who, &u); err != nil {
			return 0, 0, fmt.Errorf("read own use: %w", err)
		}
		own += time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	if l.engine != nil { // the one child that outlives a section
		t, err := rig.CPUTime(l.engine.PID())
		if err != nil {
			return 0, 0, err
		}
		own += t
	}
	return busy, own, nil
}
