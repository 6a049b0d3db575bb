//go:build linux

package main

import (
	"fmt"
	"os"
	"runtime"
	"time"

	"sluice/bench/rig"
)

// noise watches how much of the CPUs is used by processes that have no part in the measurement.
type noise struct {
	at   time.Time
	used time.Duration
}

// maxNoise is the share of all CPUs above which figures near their limits are not to be believed.
const maxNoise = 0.10

func startNoise() (*noise, error) {
	used, err := rig.OthersTime(os.Getpid())
	return &noise{time.Now(), used}, err
}

// share returns the share of all CPUs that others have used since the start.
func (n *noise) share() (float64, error) {
	used, err := rig.OthersTime(os.Getpid())
	if err != nil {
		return 0, err
	}
	return max(0, (used-n.used).Seconds()/time.Since(n.at).Seconds()/float64(runtime.NumCPU())), nil
}

// String says how noisy it was.
func (n *noise) String() string {
	share, err := n.share()
	if err != nil {
		return "noise unknown: " + err.Error()
	}
	text := fmt.Sprintf("others used %.0f %% of the CPUs", 100*share)
	if share > maxNoise {
		text += ": TOO NOISY to settle a bar"
	}
	return text
}
