package doctor

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// What a proposal assumes of a usual call. They are stated in it, so that a reader can put in their own.
const (
	usualTime   = 5 * time.Second
	usualTokens = 1000
)

// ProposeQuotas turns the limits that providers stated into YAML for the configuration; "" if none stated any. Targets of an
// account that stated the same amounts share a quota there, as they do at most providers.
//
// Calls under way are what the configuration can bound today, and by Little's law a rate of r calls a second of t seconds each
// has r x t of them under way. The amounts themselves are in comments, under the keys that will take them.
func ProposeQuotas(reports []AccountReport) string {
	var b strings.Builder
	for _, r := range reports {
		groups := groupByLimits(r.Targets)
		if len(groups) == 0 {
			continue
		}
		if b.Len() == 0 {
			fmt.Fprintf(&b, "# By the limits that providers stated in their answers. concurrency is what keeps within them if a call takes %s\n"+
				"# and %s tokens; correct it by what yours take. rpm and tpm wait for a version that paces calls by them.\nproviders:\n",
				usualTime, commas(usualTokens))
		}
		fmt.Fprintf(&b, "  %s:\n    quotas:\n", key(r.Account))
		for _, g := range groups {
			g.write(&b)
		}
	}
	return b.String()
}

// group are models of one account with the same limits.
type group struct {
	models []string
	limits []Limit
}

func groupByLimits(targets []TargetReport) []group {
	var all []group
	for _, t := range targets {
		limits := slices.DeleteFunc(slices.Clone(t.Limits), func(l Limit) bool { return l.Amount == 0 })
		if len(limits) == 0 {
			continue
		}
		same := func(g group) bool {
			return slices.EqualFunc(g.limits, limits, func(a, b Limit) bool {
				return a.Header == b.Header && a.Amount == b.Amount && a.Window == b.Window
			})
		}
		if i := slices.IndexFunc(all, same); i >= 0 {
			all[i].models = append(all[i].models, t.Model)
			continue
		}
		all = append(all, group{[]string{t.Model}, limits})
	}
	return all
}

func (g *group) write(b *strings.Builder) {
	names := make([]string, len(g.models))
	for i, m := range g.models {
		names[i] = strconv.Quote(m) // what JSON quotes, YAML reads
	}
	fmt.Fprintf(b, "      - models: [%s]\n", strings.Join(names, ", "))
	for _, l := range g.limits {
		guess := ""
		if l.Guessed {
			guess = "; the header does not say for how long"
		}
		fmt.Fprintf(b, "        # %s: %d  # %s%s\n", l.schemaKey(), l.Amount, l.Header, guess)
	}
	fmt.Fprintf(b, "        concurrency: %d\n", g.concurrency())
}

// schemaKey is the key that will take the limit.
func (l Limit) schemaKey() string {
	period := map[time.Duration]string{time.Second: "s", time.Minute: "m", time.Hour: "h", 24 * time.Hour: "d"}[l.Window]
	unit := map[string]string{"requests": "r", "tokens": "t", "input_tokens": "it", "output_tokens": "ot"}[l.Unit]
	if period == "" || unit == "" {
		return l.Unit
	}
	return unit + "p" + period
}

// concurrency is the number of usual calls that may be under way within every limit that is for an hour or less: a day's
// amount says how much, not how fast.
func (g *group) concurrency() int64 {
	least := math.Inf(1)
	for _, l := range g.limits {
		if l.Window > time.Hour {
			continue
		}
		perSecond := float64(l.Amount) / l.Window.Seconds()
		if l.Unit != "requests" {
			perSecond /= usualTokens
		}
		least = min(least, perSecond*usualTime.Seconds())
	}
	if math.IsInf(least, 1) {
		return 1
	}
	return max(int64(math.Floor(least)), 1)
}

// key writes a YAML key.
func key(name string) string {
	if strings.IndexFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r != '_' && r != '-' && (r < '0' || r > '9')
	}) < 0 && name != "" && name[0] > '9' && name[0] != '-' {
		return name
	}
	return strconv.Quote(name)
}
