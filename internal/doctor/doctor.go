// Package doctor looks at what a gateway depends on before it depends on it: the machine, the way to each provider, the
// account's credentials, and each target by one small call, made through upstream as serve makes it. It says of each thing
// whether it is in order and, where it is not, what to do. From the rate limits that providers state it proposes quotas.
//
// It changes nothing, and it keeps nothing: a report is its only product. Exam's methods own the goroutines that they start.
package doctor

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"sluice/internal/llm"
	"sluice/internal/model"
	"sluice/internal/upstream"
)

// State is what came of a check.
type State string

// The states of a check.
const (
	OK   State = "ok"
	Warn State = "warn" // works, but something will bite
	Fail State = "fail" // does not work
	Skip State = "skip" // could not be checked, because of something that another check names
)

// Check is one thing that was looked at.
type Check struct {
	Name   string `json:"check"`
	State  State  `json:"state"`
	Detail string `json:"detail"`
	Do     string `json:"do,omitempty"` // what helps, for a state that is not ok
}

// Account is an account to examine, with the models to call at it.
type Account struct {
	Provider upstream.Provider
	// Models to call; none means one that the account lists.
	Models []string
	// Simulated accounts cost nothing, whatever a price table says.
	Simulated bool
}

// Options say how to examine.
type Options struct {
	Accounts []Account
	Prices   *model.Table
	Connect  time.Duration // longest time to a connection; 0 means 5 seconds
	Timeout  time.Duration // longest time for one request; 0 means 60 seconds
	Parallel int           // requests at once; 0 means 4
	Output   int64         // limit on the output tokens of a call; 0 means 16
}

// AccountReport is what was found at one account.
type AccountReport struct {
	Account string         `json:"account"`
	BaseURL string         `json:"base_url"`
	Region  string         `json:"region,omitempty"`
	RTT     float64        `json:"rtt_ms,omitempty"` // of a TCP handshake; with a proxy, the proxy's
	Listed  int            `json:"models_listed"`
	Checks  []Check        `json:"checks"`
	Targets []TargetReport `json:"targets"`
}

// TargetReport is what was found at one target.
type TargetReport struct {
	Target string  `json:"target"` // provider/model
	Model  string  `json:"model"`
	Checks []Check `json:"checks"`
	Call   *Call   `json:"call,omitempty"` // nil if none was made or none succeeded
	Limits []Limit `json:"limits,omitempty"`
}

// Call is a call that succeeded.
type Call struct {
	TTFT         float64 `json:"ttft_ms,omitempty"` // 0 if it was no stream, or had no content
	Total        float64 `json:"total_ms"`
	InputTokens  int64   `json:"input_tokens"`
	OutputTokens int64   `json:"output_tokens"`
	Usage        bool    `json:"usage_reported"`
	CostUSD      float64 `json:"cost_usd"`
	Priced       bool    `json:"priced"`
}

// Exam is an examination. Connect comes first, then Call if calls are wanted, then Reports.
type Exam struct {
	o        Options
	accounts []*account
}

// account is one account under examination. While a method of Exam runs it is owned by one goroutine; targets by one each.
type account struct {
	Account
	up       *upstream.Account
	priceOf  string   // whose API it is; "" if unknown
	pricedAs string   // for lookups of prices
	broken   bool     // no call can work
	listed   []string // models that the account says it has
	report   AccountReport
	targets  []*target
}

// target is one model of an account.
type target struct {
	account *account
	report  TargetReport
	info    *model.Info // nil if the price table does not have it
}

// New prepares an examination; nothing is sent. The error is of an account whose settings cannot be used.
func New(o Options) (*Exam, error) {
	o.Connect = cmp.Or(max(o.Connect, 0), 5*time.Second)
	o.Timeout = cmp.Or(max(o.Timeout, 0), 60*time.Second)
	o.Parallel = cmp.Or(max(o.Parallel, 0), 4)
	o.Output = cmp.Or(max(o.Output, 0), 16)
	x := &Exam{o: o}
	for _, a := range o.Accounts {
		up, err := upstream.Open(&a.Provider)
		if err != nil {
			x.Close()
			return nil, err
		}
		ac := &account{Account: a, up: up, priceOf: model.ProviderOf(a.Provider.URL()), pricedAs: a.Provider.PricedAs()}
		ac.report = AccountReport{Account: a.Provider.Name, BaseURL: a.Provider.URL(), Region: a.Provider.Region, Targets: []TargetReport{}}
		for _, m := range a.Models {
			x.addTarget(ac, m)
		}
		x.accounts = append(x.accounts, ac)
	}
	return x, nil
}

func (x *Exam) addTarget(a *account, name string) {
	t := &target{account: a, report: TargetReport{Target: a.Provider.Name + "/" + name, Model: name}}
	if x.o.Prices != nil && !a.Simulated {
		t.info, _ = x.o.Prices.Lookup(a.pricedAs, name)
	}
	a.targets = append(a.targets, t)
}

// Close closes the accounts' connections.
func (x *Exam) Close() {
	for _, a := range x.accounts {
		a.up.Close()
	}
}

// Connect looks at each account by its settings and by asking it for its models, which costs nothing.
func (x *Exam) Connect(ctx context.Context) {
	var g errgroup.Group
	g.SetLimit(x.o.Parallel)
	for _, a := range x.accounts {
		g.Go(func() error {
			x.connect(ctx, a)
			if len(a.targets) == 0 && !a.broken {
				if name := a.pick(x.o.Prices); name != "" {
					x.addTarget(a, name)
				} else {
					a.add(Check{
						"target", Warn, "no model is named for this account, and it lists none that could be called",
						"name one: sluice doctor " + a.Provider.Name + "/MODEL",
					})
				}
			}
			return nil
		})
	}
	_ = g.Wait() // what goes wrong is in the reports
}

// Planned is a call that Call would make.
type Planned struct {
	Target string `json:"target"`
	// WorstUSD is the most that the call can cost; meaningful if Priced.
	WorstUSD float64 `json:"worst_usd"`
	Priced   bool    `json:"priced"`
	Free     bool    `json:"free"` // simulated
}

// promptTokens is more than the tokens of the prompt of a call and of what surrounds it, in any vocabulary.
const promptTokens = 40

// Plan returns the calls that Call would make. Before Connect it does not know which models accounts list, and leaves out
// those that none is named of.
func (x *Exam) Plan() []Planned {
	var all []Planned
	for _, a := range x.accounts {
		for _, t := range a.targets {
			if a.broken {
				continue
			}
			p := Planned{Target: t.report.Target, Free: a.Simulated}
			nano, priced := t.info.Cost(llm.Usage{Input: promptTokens, Output: x.o.Output}, "")
			p.WorstUSD, p.Priced = float64(nano)/1e9, priced
			all = append(all, p)
		}
	}
	return all
}

// Call calls each target of the accounts that can be reached, once, and a few at a time.
func (x *Exam) Call(ctx context.Context) {
	var g errgroup.Group
	g.SetLimit(x.o.Parallel)
	for _, a := range x.accounts {
		for _, t := range a.targets {
			if a.broken {
				t.add(Check{Name: "call", State: Skip, Detail: "the account does not work, see above"})
				continue
			}
			g.Go(func() error {
				x.call(ctx, t)
				return nil
			})
		}
	}
	_ = g.Wait() // what goes wrong is in the reports
}

// Reports returns what was found, in the order of the accounts and targets given. No credential of an account is in it.
func (x *Exam) Reports() []AccountReport {
	all := []AccountReport{}
	for _, a := range x.accounts {
		r := a.report
		mask := a.masker()
		r.Checks = masked(mask, r.Checks)
		for _, t := range a.targets {
			own := t.report
			own.Checks = masked(mask, own.Checks)
			r.Targets = append(r.Targets, own)
		}
		all = append(all, r)
	}
	return all
}

// masker replaces the account's credentials, which a provider may quote in its errors.
func (a *account) masker() *strings.Replacer {
	var pairs []string
	for _, s := range secrets(&a.Provider) {
		if v := s.Reveal(); len(v) >= 6 { // what is shorter is no secret, and would eat words
			pairs = append(pairs, v, s.String())
		}
	}
	return strings.NewReplacer(pairs...)
}

// secrets are the account's credentials, the longest first: a short one may be part of another.
func secrets(p *upstream.Provider) []llm.Secret {
	all := p.Secrets()
	slices.SortFunc(all, func(a, b llm.Secret) int { return cmp.Compare(len(b.Reveal()), len(a.Reveal())) })
	return all
}

func masked(r *strings.Replacer, checks []Check) []Check {
	out := make([]Check, len(checks))
	for i, c := range checks {
		c.Detail, c.Do = r.Replace(c.Detail), r.Replace(c.Do)
		out[i] = c
	}
	return out
}

func (a *account) add(c Check) { a.report.Checks = append(a.report.Checks, c) }

func (t *target) add(c Check) { t.report.Checks = append(t.report.Checks, c) }

// okf is a check that is in order.
func okf(name, format string, args ...any) Check {
	return Check{Name: name, State: OK, Detail: fmt.Sprintf(format, args...)}
}
