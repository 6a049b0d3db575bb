package doctor

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"sluice/internal/model"
	"sluice/internal/upstream"
)

// ProposeQuotas turns the limits that providers stated into YAML for the configuration; "" if none stated any. Targets of an
// account that stated the same limits share a quota there, as they do at most providers. What the configuration has no key for is
// in comments.
func ProposeQuotas(reports []AccountReport) string {
	var b strings.Builder
	for _, r := range reports {
		groups := groupByLimits(r.Targets)
		if len(groups) == 0 {
			continue
		}
		if b.Len() == 0 {
			b.WriteString("# By the limits that providers stated in their answers. A minute's calls wait for their turn; a day's never do.\nproviders:\n")
		}
		var text strings.Builder
		some := false
		for _, g := range groups {
			some = g.write(&text) || some
		}
		fmt.Fprintf(&b, "  %s:\n", key(r.Account))
		if some {
			b.WriteString("    quotas:\n")
		} else {
			b.WriteString("    quotas: []\n")
		}
		b.WriteString(text.String())
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

// write writes the group as a quota, and reports whether the configuration can express any of it; else it is all in comments.
func (g *group) write(b *strings.Builder) (some bool) {
	names := make([]string, len(g.models))
	for i, m := range g.models {
		names[i] = strconv.Quote(m) // what JSON quotes, YAML reads
	}
	least := map[string]declaration{} // several headers may be about one key
	bySecond := false
	for i := range g.limits {
		if d, ok := g.limits[i].declare(); ok {
			if l, dup := least[d.key]; !dup || d.amount < l.amount {
				least[d.key] = d
			}
			some = true
			bySecond = bySecond || g.limits[i].Window == time.Second
		}
	}
	indent := "      "
	if !some {
		indent = "      # "
	}
	fmt.Fprintf(b, "%s- models: [%s]\n", indent, strings.Join(names, ", "))
	for _, name := range [...]string{"rpm", "tpm", "input_tpm", "output_tpm", "rpd", "tpd"} {
		if d, ok := least[name]; ok {
			fmt.Fprintf(b, "        %s: %d  # %s\n", name, d.amount, d.about)
		}
	}
	if bySecond {
		b.WriteString("        enforced: seconds\n")
	}
	for i := range g.limits {
		l := &g.limits[i]
		if d, ok := l.declare(); !ok || d != least[d.key] {
			fmt.Fprintf(b, "        # not declared: %s, by %s\n", l.amount(), l.Header)
		}
	}
	return some
}

// declaration is a limit in the words of a quota.
type declaration struct {
	key    string
	amount int64
	about  string // where it comes from, for a comment
}

// declare puts a limit into the words of a quota. ok is false if they have none for it: there is no key for an hour, nor for a day's input.
func (l *Limit) declare() (d declaration, ok bool) {
	unit := map[string]string{"requests": "r", "tokens": "t", "input_tokens": "input_t", "output_tokens": "output_t"}[l.Unit]
	d = declaration{unit + "pm", l.Amount, l.Header}
	switch {
	case unit == "":
		return d, false
	case l.Window > 0 && l.Window <= time.Minute:
		times := int64(time.Minute / l.Window)
		if l.Amount > 1<<50/times {
			return d, false
		}
		d.amount *= times
		if times > 1 {
			d.about += ": " + l.amount()
		}
	case l.Window == 24*time.Hour && len(unit) == 1:
		d.key = unit + "pd"
	default:
		return d, false
	}
	if l.Guessed {
		d.about += "; it does not say for how long, a minute is the custom"
	}
	return d, d.amount <= 1<<50
}

// excess says which declared quota allows more than the provider states; "" if none does. What is guessed of a limit does not count
// against a declaration.
func excess(p *upstream.Provider, name string, limits []Limit) string {
	for i := range limits {
		d, ok := limits[i].declare()
		if !ok || limits[i].Guessed || limits[i].Amount == 0 {
			continue
		}
		for j := range p.Quotas {
			q := &p.Quotas[j]
			covers := slices.ContainsFunc(q.Models, func(pattern string) bool { return model.Match(pattern, name) })
			declared := map[string]int64{
				"rpm": q.RPM, "tpm": q.TPM, "input_tpm": q.InputTPM, "output_tpm": q.OutputTPM, "rpd": q.RPD, "tpd": q.TPD,
			}[d.key]
			if covers && declared > d.amount {
				return fmt.Sprintf("%s of providers.%s.quotas[%d] is %s, and the provider states %s (%s): it would refuse what goes beyond; lower it",
					d.key, p.Name, j, commas(declared), commas(d.amount), limits[i].Header)
			}
		}
	}
	return ""
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
