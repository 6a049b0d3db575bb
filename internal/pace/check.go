package pace

import (
	"math/rand/v2"
	"time"

	"sluice/internal/llm"
)

// Free checks.
//
//  1. A check asks an account for something that costs nothing. Fleet says when (Due) and takes the result (Checked); somebody else
//     does the asking.
//  2. One is wanted while a breaker of the account is open for trouble that a check can tell the end of, or while the last calls in
//     a row have failed so; and only as long as calls ask for the account.
//  3. At most one is under way for an account: one a second, less often after two minutes.
//  4. A check that fails opens the breaker of what was under suspicion, and stretches cool-downs to the longest: no live call is spent.
//  5. A check that passes after one that failed ends the cool-down: the next live call is the probe.
//  6. Where checks pass all along, it is the inference alone that is down: the doubling cool-down decides.
//  7. Where a live call succeeds and the check after it still fails, checks of the account are not believed until one passes.

// Bounds of the checks.
const (
	confirmRow  = 2                // failed calls in a row that a check may confirm
	checkEvery  = time.Second      // from the start of one check to that of the next
	checkSlowly = 5 * time.Second  // the same, when it takes long
	checkLong   = 2 * time.Minute  // is how long
	checkWanted = 30 * time.Second // without a call that asks for the account checks stop
	checkAgain  = 5 * time.Second  // an account that could not be checked is looked at again after so long
)

// CheckResult is what became of a check.
type CheckResult uint8

// The results.
const (
	CheckPassed   CheckResult = iota // the provider answers
	CheckFailed                      // no connection, an error of the server, or no answer in time
	CheckUnknown                     // the account has nothing that can be asked for in its trouble
	CheckCanceled                    // the program is ending
)

// Check is one check that is to be made.
type Check struct {
	Account     string
	Unreachable bool // nothing connected: a connection says something
}

// check is the state of an account's checks. Guarded by the account's mu.
type check struct {
	active  bool          // Due looks at it
	running bool          // one is under way
	begun   time.Duration // of the row of checks
	next    time.Duration // when the next one may begin
	asked   time.Duration // when a call last asked for what is in trouble

	failed bool // the last one failed
	verify bool // a live call has succeeded where the last one failed: the next one tells whether checks can be believed
	lies   bool // they cannot
}

// OnTrouble sets the function that is called, with no lock held, when an account comes to want checks: Due has something to say. It
// must not block. Set it before the first TryStart.
func (f *Fleet) OnTrouble(trouble func()) { f.trouble = trouble }

// want notes that a call has asked for what is in trouble, and reports whether OnTrouble has to be told. The caller holds a.mu.
func (a *account) want(now time.Duration, b *Breaker) bool {
	a.check.asked = now
	if !b.Check || a.check.active {
		return false
	}
	a.check.active, a.check.begun = true, now
	return true
}

// wanted reports whether checks are wanted, and whether it is a connection that is missing. The caller holds a.mu.
func (a *account) wanted(now time.Duration) (wanted, unreachable bool) {
	if now-a.check.asked > checkWanted {
		return false, false
	}
	wanted = a.check.verify
	look := func(h *health) {
		if h.suspect() || h.away() {
			wanted = true
			unreachable = unreachable || h.cause == Unreachable
		}
	}
	look(&a.health)
	for _, tg := range a.targets {
		look(&tg.health)
	}
	return wanted, unreachable
}

// Due returns the checks that are to be made now, each of which must be answered by Checked, and how long it is until it is to be
// asked again; 0 if only OnTrouble will tell.
func (f *Fleet) Due() (checks []Check, wait time.Duration) {
	now := f.now()
	on := f.rules.Load().Check
	for _, a := range *f.accounts.Load() {
		a.mu.Lock()
		c := &a.check
		if c.active && !c.running {
			wanted, unreachable := a.wanted(now)
			switch {
			case !on || !wanted:
				c.active = false
			case now >= c.next:
				c.running = true
				c.next = now + interval(now-c.begun)
				checks = append(checks, Check{a.name, unreachable})
			default:
				if left := c.next - now; wait == 0 || left < wait {
					wait = left
				}
			}
		}
		a.mu.Unlock()
	}
	return checks, wait
}

// interval returns the time to the next check, in a row that has lasted for some time. Jitter keeps replicas out of step.
func interval(lasted time.Duration) time.Duration {
	d := checkEvery
	if lasted >= checkLong {
		d = checkSlowly
	}
	return d - time.Duration(rand.Int64N(int64(d)/10))
}

// Checked takes the result of a check. news says that the result is another than the one before.
func (f *Fleet) Checked(name string, r CheckResult) (news bool) {
	a := (*f.accounts.Load())[name]
	if a == nil {
		return false // gone with a reload
	}
	now := f.now()
	a.mu.Lock()
	c := &a.check
	c.running = false
	freed := false
	switch r {
	case CheckPassed:
		news = c.failed
		freed = c.failed && a.release(now)
		c.failed, c.verify, c.lies = false, false, false
	case CheckFailed:
		news = !c.failed
		c.lies = c.lies || c.verify
		c.failed, c.verify = true, false
		if !c.lies {
			a.hold(now)
		}
	case CheckUnknown:
		c.next = now + checkAgain
	}
	changes := a.takeChanges()
	a.mu.Unlock()
	f.tell(changes)
	if freed && f.freed != nil {
		f.freed(nil)
	}
	return news
}

// hold takes a failed check to all breakers that it may speak of. The caller holds a.mu.
func (a *account) hold(now time.Duration) {
	if a.health.hold(now) {
		a.changed(nil)
	}
	for _, tg := range a.targets {
		if tg.health.hold(now) {
			a.changed(tg)
		}
	}
}

// release takes a passed check to all breakers, and reports whether one of them is half open for it. The caller holds a.mu.
func (a *account) release(now time.Duration) bool {
	any := a.health.release(now)
	for _, tg := range a.targets {
		any = tg.health.release(now) || any
	}
	return any
}

// Change is one opening or closing of a breaker, or the beginning of a pause for a day's limit.
type Change struct {
	Account string
	Target  string // provider/model; empty if it is about the whole account
	Open    bool
	Cause   Cause // of the opening
	Scope   llm.Scope
	Error   llm.Kind      // class of the last error
	Status  int           // the provider's HTTP status with it; 0 if none
	Code    string        // the provider's own code for it
	For     time.Duration // length of the cool-down or pause
	Count   int           // openings in a row
}

// OnChange sets the function that is called, with no lock held, after a breaker has opened or closed. It must not block. Set it
// before the first TryStart.
func (f *Fleet) OnChange(change func(Change)) { f.change = change }

// changed notes that the breaker of tg, or of the account if it is nil, has opened. The caller holds a.mu.
func (a *account) changed(tg *target) {
	h, name := &a.health, ""
	if tg != nil {
		h, name = &tg.health, tg.name
	}
	a.changes = append(a.changes, Change{
		Account: a.name, Target: name, Open: true, Cause: h.cause, Scope: h.scope, Error: h.kind, Status: h.status, Code: h.code,
		For: h.until - h.since, Count: h.opened,
	})
}

// rested notes that the target, or the account if it is nil, has been paused for a day's limit. The caller holds a.mu.
func (a *account) rested(h *health, tg *target, now time.Duration) {
	ch := Change{
		Account: a.name, Open: true, Cause: h.pause.cause, Scope: h.pause.scope, Error: h.pause.kind, Status: h.pause.status,
		Code: h.pause.code, For: h.paused - now, Count: 1,
	}
	if tg != nil {
		ch.Target = tg.name
	}
	a.changes = append(a.changes, ch)
}

// closed notes that the breaker of tg, or of the account if it is nil, has closed. The caller holds a.mu.
func (a *account) closed(tg *target) {
	ch := Change{Account: a.name, Scope: llm.ScopeAccount}
	if tg != nil {
		ch.Target, ch.Scope = tg.name, llm.ScopeModel
	}
	a.changes = append(a.changes, ch)
	a.check.verify = a.check.failed
}

// takeChanges returns what has changed since it was called last. The caller holds a.mu.
func (a *account) takeChanges() []Change {
	changes := a.changes
	a.changes = nil
	return changes
}

// tell reports changes. The caller holds no lock.
func (f *Fleet) tell(changes []Change) {
	if f.change == nil {
		return
	}
	for _, ch := range changes {
		f.change(ch)
	}
}
