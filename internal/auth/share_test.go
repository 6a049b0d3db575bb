package auth

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice/internal/limit"
	"sluice/internal/llm"
)

// shared returns a principal whose key replicas share, and the key as a member, after one call.
func shared(t *testing.T, l Limits) (*Principal, limit.Member) {
	t.Helper()
	d := directory(t, config(KeyConfig{Name: "team-a", Key: llm.NewSecret(configKey), Limits: l}, KeyConfig{Name: "b", Key: llm.NewSecret("another-key-0123456789")}), nil, false)
	p, e := d.Authenticate(t.Context(), configKey)
	if e != nil {
		t.Fatal(e)
	}
	if all := d.Members(); len(all) != 0 {
		t.Errorf("%d members before a call, want none", len(all))
	}
	take(t, p, time.Now(), Order{}).Settle(time.Now(), llm.Usage{}, 0)
	all := d.Members()
	if len(all) != 1 || all[0].Name() != "key:team-a" {
		t.Fatalf("members are %v, want the key with limits that was used", all)
	}
	return p, all[0]
}

func amountsOf(requests, tokens, nano int64) (a limit.Amounts) {
	a[limit.Requests], a[limit.Tokens], a[limit.Money] = requests, tokens, nano
	return a
}

// TestTermsOfKeys checks what replicas are told to share: a month's budget as what is left of it on the day.
func TestTermsOfKeys(t *testing.T) {
	t.Parallel()
	p, m := shared(t, Limits{RPM: 10, TPM: 20, RequestsPerDay: 30, TokensPerDay: 40, Concurrency: 5, Budget: Budget{USD: 1}, Budgets: []Budget{{USD: 0.5, Per: PerDay}}})
	want := func(money int64) {
		t.Helper()
		const day = 24 * time.Hour
		w := limit.Terms{
			Concurrency: 5, Charge: limit.ChargeActual, Shape: limit.Shape{Mode: limit.Sliding, Window: time.Minute},
			Limits: []limit.Limit{
				{Dim: limit.Requests, Amount: 10, Per: time.Minute},
				{Dim: limit.Tokens, Amount: 20, Per: time.Minute},
				{Dim: limit.Requests, Amount: 30, Per: day},
				{Dim: limit.Tokens, Amount: 40, Per: day},
				{Dim: limit.Money, Amount: money, Per: day},
			},
		}
		if d := cmp.Diff(w, m.Terms()); d != "" {
			t.Errorf("terms (-want +got):\n%s", d)
		}
	}
	want(5e8)
	now := time.Now()
	p.account.told(dayOf(now), amounts{nano: 1e8}, monthOf(now), amounts{nano: 8e8})
	want(3e8)
}

// TestGrants checks that a key spends what is granted, less what it had spent since the report that the grant answers, in the time of the grant, and
// that it comes back to its own counts when grants stop.
func TestGrants(t *testing.T) {
	t.Parallel()
	p, m := shared(t, Limits{RPM: 100, TPM: 1000, Concurrency: 50, Budget: Budget{USD: 1}})
	now := time.Now()
	if r := m.Report(now); r.Spent != amountsOf(1, 0, 0) || r.Wanted != amountsOf(1, 0, 0) || r.InUse != 0 {
		t.Errorf("report %+v, want the one call", r)
	}
	grant := func(requests, tokens, nano int64, places int) {
		m.Follow(limit.Grant{From: now, To: now.Add(time.Second), Amounts: amountsOf(requests, tokens, nano), Concurrency: places})
	}
	grant(3, 100, 1e6, 50)
	refused := func(at time.Time, o Order, kind llm.Kind, says string) {
		t.Helper()
		wantRefused(t, p, at, o, kind, time.Second, llm.NoAdvice, "what this replica may of "+says)
	}
	refused(now, Order{Need: llm.Need{Input: 101}}, llm.KindKeyRate, "1000 tokens per minute")
	refused(now, Order{NanoUSD: 1e6 + 1}, llm.KindKeyBudget, "$1 per month")
	c := take(t, p, now, Order{Need: llm.Need{Input: 60}, NanoUSD: 1e6})
	refused(now, Order{Need: llm.Need{Input: 41}}, llm.KindKeyRate, "1000 tokens per minute")
	c.Settle(now, used(10), 1e5)
	if r := m.Report(now.Add(100 * time.Millisecond)); r.Spent != amountsOf(1, 10, 1e5) || r.Wanted != amountsOf(40, 2020, 20_000_010) {
		t.Errorf("report %+v", r)
	}
	a, b := take(t, p, now, Order{Need: llm.Need{Input: 50}}), take(t, p, now, Order{})
	refused(now, Order{}, llm.KindKeyRate, "100 requests per minute")
	grant(3, 90, 9e5, 2) // of which two requests and 50 tokens are spent already
	refused(now, Order{}, llm.KindKeyConcurrency, "50 calls at a time")
	b.Settle(now, llm.Usage{}, 0)
	refused(now, Order{Need: llm.Need{Input: 41}}, llm.KindKeyRate, "1000 tokens per minute")
	refused(now.Add(-time.Millisecond), Order{}, llm.KindKeyConcurrency, "50 calls at a time") // before the grant, and after it
	refused(now.Add(time.Second), Order{}, llm.KindKeyConcurrency, "50 calls at a time")
	take(t, p, now.Add(time.Second+orphanTime), Order{Need: llm.Need{Input: 500}}).Settle(now.Add(time.Second+orphanTime), llm.Usage{}, 0)
	a.Settle(now, llm.Usage{}, 0)
}

// TestAlone checks a replica's static share: a part of what minutes allow, and of what was left of days and months when the database last told.
func TestAlone(t *testing.T) {
	t.Parallel()
	p, m := shared(t, Limits{RPM: 8, TPM: 800, TokensPerDay: 5000, Concurrency: 8})
	now := time.Now().Add(2 * time.Minute)
	p.account.told(dayOf(now), amounts{tokens: 3000}, monthOf(now), amounts{})
	m.Alone(0.25)
	c := take(t, p, now, tokens(150))
	take(t, p, now, tokens(50))
	if _, e := p.Reserve(now, tokens(1)); e == nil || e.Kind != llm.KindKeyRate || !strings.Contains(e.Message, "what this replica may of") {
		t.Errorf("a third call: %v, want that the share of the minute is used up", e)
	}
	c.Settle(now, used(150), 0)
	later := now.Add(time.Minute)
	big := take(t, p, later, tokens(300)) // more than the part of a minute, when nothing else was taken
	big.Settle(later, used(300), 0)
	later = later.Add(time.Minute)
	wantRefused(t, p, later, tokens(1+500-300-150-50), llm.KindKeyRate, time.Second, llm.NoAdvice, "what this replica may of 5000 tokens per day")
	m.Alone(1)
	take(t, p, later, tokens(700))
}

// TestRests checks what a replica spends that hears nothing of the others but knows what was left: that, however much it is of the whole, until the
// day ends. Then it is a part of the whole again.
func TestRests(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	now := time.Now()
	until := now.UTC().Truncate(day).Add(day)
	for _, tt := range []struct {
		limits Limits
		dim    limit.Dim
		order  func(n int64) Order
		name   string
	}{
		{Limits{TokensPerDay: 1000}, limit.Tokens, tokens, "1000 tokens per day"},
		{Limits{Budget: Budget{USD: 1e-6}}, limit.Money, func(n int64) Order { return Order{NanoUSD: n} }, "$0.000001 per month"},
		{Limits{Budgets: []Budget{{USD: 1e-6, Per: PerDay}}}, limit.Money, func(n int64) Order { return Order{NanoUSD: n} }, "$0.000001 per day"},
	} {
		p, m := shared(t, tt.limits)
		kind := llm.KindKeyBudget
		if tt.dim == limit.Tokens {
			kind = llm.KindKeyRate
		}
		for _, left := range []int64{100, 700} {
			m.Report(now)
			m.Alone(0.25, limit.Rest{Dim: tt.dim, Per: day, Amount: left, Until: until})
			wantRefused(t, p, now, tt.order(left+1), kind, time.Second, llm.NoAdvice, "what this replica may of "+tt.name)
			c := take(t, p, now, tt.order(left))
			wantRefused(t, p, now, tt.order(1), kind, time.Second, llm.NoAdvice, "what this replica may of "+tt.name)
			c.Settle(now, llm.Usage{}, 0)
			take(t, p, now, tt.order(left)).Settle(now, llm.Usage{}, 0)
		}
		wantRefused(t, p, until, tt.order(251), kind, time.Second, llm.NoAdvice, "what this replica may of "+tt.name)
		take(t, p, until, tt.order(250))
	}
}

// TestDivided checks a replica that has heard nothing at all: its part of what the ledger says is left, or, if the ledger does not know of the
// others, of the whole.
func TestDivided(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		apart bool
		fits  int64
	}{{false, 300}, {true, 100}} {
		d := directory(t, config(KeyConfig{Name: "team-a", Key: llm.NewSecret(configKey), Limits: Limits{TokensPerDay: 1000}}), nil, false)
		d.Divide(2, tt.apart)
		p, e := d.Authenticate(t.Context(), configKey)
		if e != nil {
			t.Fatal(e)
		}
		now := time.Now()
		p.account.told(dayOf(now), amounts{tokens: 400}, monthOf(now), amounts{})
		wantRefused(t, p, now, tokens(tt.fits+1), llm.KindKeyRate, time.Second, llm.NoAdvice, "what this replica may of 1000 tokens per day")
		take(t, p, now, tokens(tt.fits))
		if m := d.Members()[0].(member); m.Known(limit.Tokens) != 400 || m.Known(limit.Money) != 0 {
			t.Errorf("%d tokens are known to be spent, want 400", m.Known(limit.Tokens))
		}
	}
}
