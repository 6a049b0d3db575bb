package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"sluice/internal/auth"
)

// limitFlags are the flags of a key's limits, or of those of its end users.
type limitFlags struct {
	set      auth.Limits
	budgets  []string
	unpriced string
	prefix   string
}

// add adds the flags, whose names begin with prefix; of says whose limits they are.
func (l *limitFlags) add(f *pflag.FlagSet, prefix, of string) {
	l.prefix = prefix
	f.IntVar(&l.set.RPM, prefix+"rpm", 0, "requests"+of+" in any minute")
	f.Int64Var(&l.set.TPM, prefix+"tpm", 0, "tokens"+of+" in any minute")
	f.IntVar(&l.set.RequestsPerDay, prefix+"requests-per-day", 0, "requests"+of+" per day (UTC)")
	f.Int64Var(&l.set.TokensPerDay, prefix+"tokens-per-day", 0, "tokens"+of+" per day (UTC)")
	f.IntVar(&l.set.Concurrency, prefix+"concurrency", 0, "calls"+of+" that may be under way at once")
	f.StringSliceVar(&l.budgets, prefix+"budget", nil, "US dollars"+of+" per day or month, as `USD/PERIOD`: 5/day or 50/month; may be given twice")
	f.StringVar(&l.unpriced, prefix+"budget-unpriced", auth.UnpricedRefuse, "calls"+of+" to models of unknown price under a budget: refuse or allow")
}

// limits returns what the flags say.
func (l *limitFlags) limits() (auth.Limits, error) {
	if l.unpriced != auth.UnpricedRefuse && l.unpriced != auth.UnpricedAllow {
		return auth.Limits{}, fmt.Errorf("--%sbudget-unpriced %q: must be %s or %s", l.prefix, l.unpriced, auth.UnpricedRefuse, auth.UnpricedAllow)
	}
	out := l.set
	for _, text := range l.budgets {
		amount, per, ok := strings.Cut(text, "/")
		usd, err := strconv.ParseFloat(strings.TrimPrefix(amount, "$"), 64)
		if !ok || err != nil || usd <= 0 || per != auth.PerDay && per != auth.PerMonth {
			return auth.Limits{}, fmt.Errorf("--%sbudget %q: must be an amount of US dollars per day or month, such as 50/month", l.prefix, text)
		}
		out.Budgets = append(out.Budgets, auth.Budget{USD: usd, Per: per, Unpriced: l.unpriced})
	}
	return out, nil
}

// limitTexts writes limits as they are given by flags.
func limitTexts(l *auth.Limits, prefix string) []string {
	var out []string
	for _, n := range []struct {
		name  string
		value int64
	}{
		{"rpm", int64(l.RPM)},
		{"tpm", l.TPM},
		{"requests-per-day", int64(l.RequestsPerDay)},
		{"tokens-per-day", l.TokensPerDay},
		{"concurrency", int64(l.Concurrency)},
	} {
		if n.value > 0 {
			out = append(out, fmt.Sprintf("%s%s=%d", prefix, n.name, n.value))
		}
	}
	for _, b := range l.Budgets {
		out = append(out, fmt.Sprintf("%sbudget=%s/%s", prefix, strconv.FormatFloat(b.USD, 'f', -1, 64), b.Per))
	}
	return out
}
