package auth

import "time"

// amounts are what is counted by the calendar.
type amounts struct{ requests, tokens, nano int64 }

func (a amounts) plus(b amounts) amounts {
	return amounts{a.requests + b.requests, a.tokens + b.tokens, a.nano + b.nano}
}

func (a amounts) minus(b amounts) amounts {
	return amounts{a.requests - b.requests, a.tokens - b.tokens, a.nano - b.nano}
}

func (a amounts) atLeast(b amounts) amounts {
	return amounts{max(a.requests, b.requests), max(a.tokens, b.tokens), max(a.nano, b.nano)}
}

// period is a day or a month. What is used of a limit is settled + others + reserved.
type period struct {
	id       int32   // number of the day or month
	settled  amounts // by calls of this process that have ended; requests count when they begin
	reserved amounts // by calls of this process that are under way
	others   amounts // by everybody else, and by this process before its start, as far as the ledger's database has told
	base     amounts // that was used in all when it last told
}

// used returns what was spent, without what is reserved.
func (p *period) used() amounts { return p.settled.plus(p.others) }

// told takes in what the database has of the period. Every row that this process has written was settled here before it could be read there, so
// what the database has beyond settled is others' for sure. It never shrinks: rows that are not written yet may hide some of it for a moment.
func (p *period) told(db amounts) {
	p.others = p.others.atLeast(db.minus(p.settled))
	p.base = p.used()
}

// calendar is the current period and the one before, in which calls that are under way may have begun. A clock that is put back over the
// border finds the old one as it was.
type calendar struct{ cur, prev period }

// at returns the period of a number, which becomes the current one.
func (c *calendar) at(id int32) *period {
	switch id {
	case c.cur.id:
	case c.prev.id:
		c.cur, c.prev = c.prev, c.cur
	default:
		c.cur, c.prev = period{id: id}, c.cur
	}
	return &c.cur
}

// of returns the period of a number, nil if it is forgotten.
func (c *calendar) of(id int32) *period {
	switch id {
	case c.cur.id:
		return &c.cur
	case c.prev.id:
		return &c.prev
	}
	return nil
}

const secondsOfDay = 24 * 60 * 60

// dayOf returns the number of a time's day in UTC, counted from 1970.
func dayOf(t time.Time) int32 {
	s := t.Unix()
	d := s / secondsOfDay
	if s%secondsOfDay < 0 {
		d--
	}
	return int32(d)
}

// monthOf returns the number of a time's month in UTC.
func monthOf(t time.Time) int32 {
	y, m, _ := t.UTC().Date()
	return int32(y*12 + int(m) - 1)
}

// firstDay returns the number of the first day of a time's month.
func firstDay(t time.Time) int32 {
	y, m, _ := t.UTC().Date()
	return dayOf(time.Date(y, m, 1, 0, 0, 0, 0, time.UTC))
}

// nextDay and nextMonth return when the period after that of t begins.
func nextDay(t time.Time) time.Time {
	y, m, d := t.UTC().Date()
	return time.Date(y, m, d+1, 0, 0, 0, 0, time.UTC)
}

func nextMonth(t time.Time) time.Time {
	y, m, _ := t.UTC().Date()
	return time.Date(y, m+1, 1, 0, 0, 0, 0, time.UTC)
}
