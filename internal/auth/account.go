package auth

import (
	"sync"
	"sync/atomic"
	"time"
)

// account counts what the keys of one name take, under whatever configuration: its Principals share it.
type account struct {
	name  string
	born  time.Time    // with the reading of a clock that does not jump
	loose atomic.Int64 // calls under way that nothing limits
	among *division    // never nil

	// Guarded by mu.
	mu      sync.Mutex
	elapsed time.Duration // since born, at the newest call
	meter
	leases []lease // of calls under way; as many places as there ever were at a time
	free   []int32 // places that no call has
	users  users
	share  share
}

// division is how limits are divided among replicas while nothing is granted.
type division struct {
	replicas atomic.Int64
	apart    atomic.Bool // each has a ledger of its own
}

// part returns the part of one replica.
func (d *division) part() float64 { return 1 / float64(max(d.replicas.Load(), 1)) }

// Divide says among how many replicas limits are divided while nothing is granted: by one that has just begun to use a key, or has never heard of
// the others. apart says that each of them has a ledger of its own, which does not tell what the others have spent. It may be called at any time.
func (d *Directory) Divide(replicas int, apart bool) {
	d.division.replicas.Store(int64(replicas))
	d.division.apart.Store(apart)
}

// place returns a place for a lease. The caller holds mu.
func (a *account) place() int32 {
	if n := len(a.free); n > 0 {
		p := a.free[n-1]
		a.free = a.free[:n-1]
		return p
	}
	a.leases = append(a.leases, lease{})
	return int32(len(a.leases) - 1)
}

// underWay returns how many calls are.
func (a *account) underWay() int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.running + a.loose.Load()
}

// moment returns a time as meters need it. Callers ask the clock before they hold mu: one that comes late counts as of the newest.
func (a *account) moment(now time.Time) moment {
	a.elapsed = max(now.Sub(a.born), a.elapsed)
	return moment{now: now, elapsed: a.elapsed, day: dayOf(now), month: monthOf(now)}
}
