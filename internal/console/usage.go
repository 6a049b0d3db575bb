package console

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// defaultSpan is how far back usage and calls are looked at when a request does not say.
const defaultSpan = 24 * time.Hour

// readTime bounds one read of the ledger, which may be long and is on the operator's side only.
const readTime = 30 * time.Second

// UsageQuery picks and groups calls.
type UsageQuery struct {
	By       string    // one of UsageGroups
	From, To time.Time // arrival: From included, To not
}

// UsageGroups are what usage can be grouped by. none is one sum of all calls; with tag, a call counts for each of its tags.
func UsageGroups() []string {
	return []string{"key", "model", "target", "provider", "tag", "none"}
}

// Usage is the sum of the calls of one group.
type Usage struct {
	Name        string // of the group; empty for none, and for calls that have no key or target
	Calls       int64
	Errors      int64
	Estimated   int64 // calls whose tokens were counted by Sluice
	Unpriced    int64 // calls that used tokens at an unknown price; they are not in CostNanoUSD
	CostNanoUSD int64 // billionths of a US dollar
	Tokens      Tokens
}

// Tokens are counts by kind. Input includes CachedInput and CacheWrite, Output includes Reasoning.
type Tokens struct {
	Input       int64 `json:"input"`
	CachedInput int64 `json:"cached_input"`
	CacheWrite  int64 `json:"cache_write"`
	Output      int64 `json:"output"`
	Reasoning   int64 `json:"reasoning"`
}

// UsageReport is the answer of GET /admin/v1/usage, and what `sluice usage --json` writes.
type UsageReport struct {
	By   string     `json:"by"`
	From time.Time  `json:"from"`
	To   time.Time  `json:"to"`
	More bool       `json:"more"` // there are more groups than are listed
	Rows []UsageRow `json:"usage"`
}

// UsageRow is one group of a UsageReport.
type UsageRow struct {
	Name      string `json:"name"`
	Calls     int64  `json:"calls"`
	Errors    int64  `json:"errors"`
	Estimated int64  `json:"estimated_calls"`
	Unpriced  int64  `json:"unpriced_calls"`
	// CostUSD is decimal text, so that nothing is lost to floating point. It is null where there are unpriced calls and no
	// cost beside them: an unknown cost is not a cost of zero.
	CostUSD *string `json:"cost_usd"`
	Tokens  Tokens  `json:"tokens"`
}

// NewUsageReport puts sums into the shape of the answer. more says that there are further groups.
func NewUsageReport(q UsageQuery, sums []Usage, more bool) UsageReport {
	r := UsageReport{By: q.By, From: q.From.UTC(), To: q.To.UTC(), More: more, Rows: make([]UsageRow, len(sums))}
	for i, s := range sums {
		row := UsageRow{
			Name: s.Name, Calls: s.Calls, Errors: s.Errors, Estimated: s.Estimated, Unpriced: s.Unpriced, Tokens: s.Tokens,
		}
		if s.Unpriced == 0 || s.CostNanoUSD != 0 {
			cost := usd(s.CostNanoUSD)
			row.CostUSD = &cost
		}
		r.Rows[i] = row
	}
	return r
}

// usd writes nano-USD in full: 375000 is "0.000375".
func usd(nano int64) string {
	s := fmt.Sprintf("%d.%09d", nano/1e9, nano%1e9)
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
}

func (c *Console) usage(w http.ResponseWriter, r *http.Request) {
	p := newParams(r.URL.Query(), "by", "from", "to")
	q := UsageQuery{By: "key"}
	if by := p.get("by"); by != "" {
		q.By = by
		p.oneOf("by", UsageGroups())
	}
	q.From, q.To = p.span(time.Now())
	if p.refuse(w) {
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), readTime)
	defer cancel()
	sums, more, err := c.o.Usage(ctx, q)
	if err != nil {
		c.ledgerError(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, NewUsageReport(q, sums, more))
}

// ledgerError answers a request whose read of the ledger failed. What went wrong is for the log: it can name hosts.
func (c *Console) ledgerError(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() == nil { // else the client has left
		c.o.Log.Error("ledger not read", "path", r.URL.Path, "error", err)
	}
	writeError(w, http.StatusServiceUnavailable, "store_unavailable", "the ledger could not be read in time; the log says why")
}

// ParseTime reads a moment: RFC 3339 (2026-11-21T08:00:00Z), a date (midnight UTC), or how long before now (90m, 24h, 7d).
func ParseTime(s string, now time.Time) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return inRange(t)
	}
	if t, err := time.Parse(time.DateOnly, s); err == nil {
		return inRange(t)
	}
	if days, ok := strings.CutSuffix(s, "d"); ok {
		if n, err := strconv.ParseUint(days, 10, 16); err == nil {
			return inRange(now.AddDate(0, 0, -int(n)))
		}
	}
	if d, err := time.ParseDuration(s); err == nil && d >= 0 {
		return inRange(now.Add(-d))
	}
	return time.Time{}, errors.New("must be a time such as 2026-11-21T08:00:00Z, a date, or how long ago, such as 90m, 24h or 7d")
}

// inRange keeps times to those that the ledger can hold as microseconds, and that are no slip of the keyboard.
func inRange(t time.Time) (time.Time, error) {
	if y := t.Year(); y < 1971 || y > 9998 {
		return time.Time{}, errors.New("is out of range")
	}
	return t, nil
}

// params reads the query of a request and gathers what is wrong with it. A parameter that is not known is an error: a filter
// with a typing error would otherwise answer with all calls.
type params struct {
	values url.Values
	bad    []string
}

func newParams(v url.Values, known ...string) *params {
	p := &params{values: v}
	for name, values := range v {
		switch {
		case !slices.Contains(known, name):
			p.fail(strconv.Quote(cut(name)), "is not a parameter; there are "+strings.Join(known, ", "))
		case len(values) > 1:
			p.fail(name, "is given more than once")
		case values[0] == "":
			p.fail(name, "has no value")
		}
	}
	return p
}

func cut(s string) string { return s[:min(len(s), 40)] }

func (p *params) get(name string) string { return p.values.Get(name) }

func (p *params) fail(name, message string) { p.bad = append(p.bad, name+" "+message) }

func (p *params) oneOf(name string, list []string) {
	if !slices.Contains(list, p.get(name)) {
		p.fail(name, "must be one of "+strings.Join(list, ", "))
	}
}

// span reads from and to: the last day if they are not given.
func (p *params) span(now time.Time) (from, to time.Time) {
	to = now
	if s := p.get("to"); s != "" {
		to = p.time("to", s, now)
	}
	from = to.Add(-defaultSpan)
	if s := p.get("from"); s != "" {
		from = p.time("from", s, now)
	}
	if len(p.bad) == 0 && !from.Before(to) {
		p.fail("from", "must be before to")
	}
	return from, to
}

func (p *params) time(name, s string, now time.Time) time.Time {
	t, err := ParseTime(s, now)
	if err != nil {
		p.fail(name, err.Error())
	}
	return t
}

// refuse answers a request that has something wrong, and reports whether it did.
func (p *params) refuse(w http.ResponseWriter) bool {
	if len(p.bad) == 0 {
		return false
	}
	slices.Sort(p.bad) // the query came as a map
	writeError(w, http.StatusBadRequest, "bad_request", strings.Join(p.bad, "; "))
	return true
}
