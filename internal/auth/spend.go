package auth

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Spent is what a key, or an end user of one, has taken in some days, by the ledger.
type Spent struct {
	Name             string // of the key or of the user
	Requests, Tokens int64  // requests that were sent to a provider
	NanoUSD          int64
}

// Books tells what is in the ledger. Days are counted from 1970, in UTC; both ends are included.
type Books interface {
	// SpentByKeys returns what keys have taken.
	SpentByKeys(ctx context.Context, from, to int32) ([]Spent, error)
	// SpentByUsers returns what some end users of a key have taken.
	SpentByUsers(ctx context.Context, key string, users []string, from, to int32) ([]Spent, error)
}

const (
	usersTime   = 10 * time.Second // between two looks for what users have taken elsewhere
	maxAskUsers = 200              // of one question
)

// books is what the directory keeps of its reading of the ledger. It is used by one goroutine at a time: first New, then Run.
type books struct {
	today  int32              // that before was read on
	before map[string]amounts // taken by each key in this month until the day before yesterday
	users  time.Time          // when users were last looked for
}

// readSpent tells all accounts with limits of days or months what the ledger has. A day is told until the end of the next one, for calls that end
// late.
func (d *Directory) readSpent(ctx context.Context) error {
	t := d.table.Load()
	if d.ledger == nil || !t.calendar {
		return nil
	}
	now := time.Now()
	today, first := dayOf(now), firstDay(now)
	if d.books.before == nil || d.books.today != today {
		before, err := d.spent(ctx, first, today-2)
		if err != nil {
			return err
		}
		d.books.before, d.books.today = before, today
	}
	yesterday, err := d.spent(ctx, today-1, today-1)
	if err != nil {
		return err
	}
	day, err := d.spent(ctx, today, today)
	if err != nil {
		return err
	}
	for name, b := range t.limited {
		if !b.calendar() {
			continue
		}
		month := d.books.before[name].plus(day[name])
		if today-1 >= first {
			month = month.plus(yesterday[name])
		}
		a := t.accounts[name]
		a.mu.Lock()
		a.told(today, day[name], monthOf(now), month)
		if p := a.day.of(today - 1); p != nil {
			p.told(yesterday[name])
		}
		a.mu.Unlock()
	}
	return d.readUsers(ctx, t, now)
}

// spent returns what keys have taken in some days.
func (d *Directory) spent(ctx context.Context, from, to int32) (map[string]amounts, error) {
	out := map[string]amounts{}
	if from > to {
		return out, nil
	}
	rows, err := d.ledger.SpentByKeys(ctx, from, to)
	if err != nil {
		return nil, fmt.Errorf("read what keys have spent: %w", err)
	}
	for _, r := range rows {
		out[r.Name] = amounts{r.Requests, r.Tokens, r.NanoUSD}
	}
	return out, nil
}

// told takes in what the ledger has of the current day and month. Should they have begun by this clock only now, calls follow.
func (m *meter) told(day int32, ofDay amounts, month int32, ofMonth amounts) {
	m.day.at(day).told(ofDay)
	m.month.at(month).told(ofMonth)
}

// readUsers tells the end users who have called lately what the ledger has.
func (d *Directory) readUsers(ctx context.Context, t *table, now time.Time) error {
	if now.Sub(d.books.users) < usersTime && now.After(d.books.users) {
		return nil
	}
	d.books.users = now
	for name, a := range t.accounts {
		if !t.users[name] {
			continue
		}
		for names := range slices.Chunk(a.calledLately(), maxAskUsers) {
			if err := d.tellUsers(ctx, a, names, now); err != nil {
				return err
			}
		}
	}
	return nil
}

// calledLately returns the end users who have called since it was last asked.
func (a *account) calledLately() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var names []string
	for u := a.users.newest; u != nil; u = u.next {
		if u.seen || !u.known {
			u.seen = false
			names = append(names, u.name)
		}
	}
	return names
}

// tellUsers tells some end users of a key what the ledger has of them.
func (d *Directory) tellUsers(ctx context.Context, a *account, names []string, now time.Time) error {
	today := dayOf(now)
	months, err := d.ledger.SpentByUsers(ctx, a.name, names, firstDay(now), today)
	if err != nil {
		return fmt.Errorf("read what users of key %s have spent: %w", a.name, err)
	}
	days, err := d.ledger.SpentByUsers(ctx, a.name, names, today, today)
	if err != nil {
		return fmt.Errorf("read what users of key %s have spent: %w", a.name, err)
	}
	type both struct{ day, month amounts }
	spent := make(map[string]both, len(names))
	for _, r := range months {
		spent[r.Name] = both{month: amounts{r.Requests, r.Tokens, r.NanoUSD}}
	}
	for _, r := range days {
		s := spent[r.Name]
		s.day = amounts{r.Requests, r.Tokens, r.NanoUSD}
		spent[r.Name] = s
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, name := range names {
		if u := a.users.byName[name]; u != nil {
			u.told(today, spent[name].day, monthOf(now), spent[name].month)
			u.known = true
		}
	}
	return nil
}

// findUser returns an end user's meter, and makes it if need be. One that is new is held until the ledger has told what the user has taken, if that
// matters; while the ledger does not answer, users begin with nothing, and are looked up later. It returns nil if there is no room for one more.
// The caller holds the account, which is let go of meanwhile.
func (p *Principal) findUser(name string, now time.Time) *userMeter {
	a := p.account
	u := a.users.find(name)
	if u == nil {
		if u = a.users.add(name, p.tracked); u == nil {
			return nil
		}
	}
	if !u.known && p.user.calendar() && p.dir.ledger != nil && !p.dir.booksDown.Load() {
		name = u.name
		a.mu.Unlock()
		p.dir.lookUser(a, name, now)
		a.mu.Lock()
		if u = a.users.find(name); u == nil { // forgotten meanwhile
			if u = a.users.add(name, p.tracked); u == nil {
				return nil
			}
		}
	}
	u.seen = true
	return u
}

// lookUser reads what one end user has taken. Calls of one user share a question.
func (d *Directory) lookUser(a *account, name string, now time.Time) {
	_, err, _ := d.flight.Do("user\x00"+a.name+"\x00"+name, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.Background(), lookupTime)
		defer cancel()
		if err := d.slots.Acquire(ctx, 1); err != nil {
			return nil, fmt.Errorf("wait for one of %d look-ups: %w", maxLookups, err)
		}
		defer d.slots.Release(1)
		return nil, d.tellUsers(ctx, a, []string{name}, now)
	})
	if err != nil && !d.booksDown.Swap(true) {
		d.log.Error("cannot read what end users have spent: they begin with nothing until it can be read", "error", err)
	}
}
