//go:build linux

package main

import (
	"os"
	"time"

	"sluice/bench/rig"
)

// watch reads the counters of processes and cores at both ends of the window, and the peer's memory in between. The
// processes never pause, so that what is under way at one end is matched by what is at the other.
func watch(c rig.Clock, j job, t *tally) error {
	from, to := t.from.Load(), t.to.Load()
	a, err := rig.NewAlarm()
	if err != nil {
		return err
	}
	defer a.Close()
	if err := a.Until(c, from); err != nil {
		return err
	}
	before, err := readUsage(c, j)
	if err != nil {
		return err
	}
	if _, err := rig.TakeLag(j.Mock); err != nil { // starts the mock's count over
		return err
	}
	var peak int64
	for at := from; at < to && j.Peer != 0; at += int64(200 * time.Millisecond) {
		if err := a.Until(c, min(at, to)); err != nil {
			return err
		}
		kb, err := rig.ResidentKB(j.Peer)
		if err != nil {
			return err
		}
		peak = max(peak, kb)
	}
	if err := a.Until(c, to); err != nil {
		return err
	}
	after, err := readUsage(c, j)
	if err != nil {
		return err
	}
	lag, err := rig.TakeLag(j.Mock)
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	r := &t.r
	r.PeakRSS, r.MockLag = peak, lag
	r.Wall = time.Duration(after.at - before.at)
	r.PeerCPU, r.MockCPU, r.ClientCPU = after.peer-before.peer, after.mock-before.mock, after.client-before.client
	r.PeerCores, r.LoadCores = after.peerCores-before.peerCores, after.loadCores-before.loadCores
	if j.Peer != 0 && j.Kind == "streams" {
		if r.PSS, err = rig.ProportionalKB(j.Peer); err != nil {
			return err
		}
	}
	return nil
}

// usage is one reading of all counters.
type usage struct {
	at                   int64
	peer, mock, client   time.Duration
	peerCores, loadCores time.Duration
}

func readUsage(c rig.Clock, j job) (u usage, err error) {
	u.at = c.Now()
	if j.Peer != 0 {
		if u.peer, err = rig.CPUTime(j.Peer); err != nil {
			return u, err
		}
	}
	if u.mock, err = rig.CPUTime(j.MockPID); err != nil {
		return u, err
	}
	if u.client, err = rig.CPUTime(os.Getpid()); err != nil {
		return u, err
	}
	if u.peerCores, err = rig.CoreTime(j.PeerCPUs); err != nil {
		return u, err
	}
	u.loadCores, err = rig.CoreTime(j.LoadCPUs)
	return u, err
}
