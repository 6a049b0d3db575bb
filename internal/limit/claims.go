package limit

// maxClaims bounds the claims of one pass, and setClaims those on one set. Calls further behind get no protection until they have moved up,
// as in EASY backfilling, which protects the first job only (Lifka, JSSPP 1995).
const (
	maxClaims = 32
	setClaims = 4
)

// Claims are budgets that calls further ahead in the queue wait for. A later call may start from the same budget only if that delays none
// of them. The zero Claims has none.
type Claims struct {
	n    int
	list [maxClaims]claim
}

// claim is what one call waits for at one set.
type claim struct {
	set     *Set
	amounts Amounts
	class   holding
	until   int64 // when it will have it; never if that is not known
}

// Reset forgets all claims.
func (c *Claims) Reset() {
	clear(c.list[:c.n])
	c.n = 0
}

// note adds a claim, if there is room for it.
func (c *Claims) note(x claim) {
	if c == nil || c.n == maxClaims {
		return
	}
	own := 0
	for i := range c.n {
		if c.list[i].set == x.set {
			own++
		}
	}
	if own < setClaims {
		c.list[c.n] = x
		c.n++
	}
}

// delayed returns the end of the wait of a call ahead that would have to wait for longer if amounts were taken now; 0 if there is none.
// The caller holds s.mu.
func (s *Set) delayed(c *Claims, amounts *Amounts) int64 {
	if c == nil || c.n == 0 || s.following {
		return 0 // a grant that is used up is followed by another
	}
	var before Amounts
	for i := range c.n {
		x := &c.list[i]
		if x.set != s {
			continue
		}
		if s.wouldDelay(x, &before, amounts) {
			return x.until
		}
		for d := range x.amounts {
			before[d] += x.amounts[d]
		}
	}
	return 0
}

// wouldDelay reports whether x would have to wait for longer if amounts were taken now, and what those before it wait for by then.
func (s *Set) wouldDelay(x *claim, before, amounts *Amounts) bool {
	for i := range s.budgets {
		b := &s.budgets[i]
		n, need := amounts[b.Dim], x.amounts[b.Dim]
		if n == 0 || need == 0 {
			continue
		}
		if x.until == never {
			return true
		}
		at := max(x.until, s.now)
		for j := range b.n {
			g := &b.gauges[j]
			used := func(at, n int64) int64 {
				if g.late {
					return s.out[b.Dim] + n + g.usedAt(s.now, at, 0) + before[b.Dim]
				}
				return g.usedAt(s.now, at+g.credit, n) + before[b.Dim]
			}
			most := g.ceiling(s, b, need, x.class, at)
			if u := used(at, n); u <= 0 || u <= most {
				continue
			}
			if u := used(at, 0); before[b.Dim] == 0 || u <= 0 || u <= most {
				return true
			}
			// Those before it delay it in any case. Two that do not fit into one window do not keep others from the rest of this one; all
			// else is taken from what comes back to it.
			level := most - before[b.Dim]
			if g.rule == paced || g.rule == strict || g.late && s.out[b.Dim] > 0 {
				return true
			}
			if level >= 0 && used(max(g.free(level), at), n) > most {
				return true
			}
		}
	}
	return false
}
