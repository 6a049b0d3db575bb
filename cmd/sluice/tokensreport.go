package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"sluice/internal/model"
	"sluice/internal/tally"
)

// tokensReport is what `sluice tokens` answers, with --json as it stands. Money is in USD, as decimal text: nothing is lost to
// floating point.
type tokensReport struct {
	Input  tokensInput   `json:"input"`
	Models []tokensModel `json:"models"`
	Failed []failedLine  `json:"failed_lines,omitempty"` // the first of them
}

// tokensInput is what was counted.
type tokensInput struct {
	Kind     string `json:"kind"` // text, chat, completion, embedding; lines for a file of requests
	Bytes    int64  `json:"bytes"`
	Requests int64  `json:"requests"`
	Lines    int64  `json:"lines,omitempty"`        // of a file of requests
	Failed   int64  `json:"failed_count,omitempty"` // lines that could not be read
}

// failedLine is a line that is no request.
type failedLine struct {
	Line  int64  `json:"line"`
	Error string `json:"error"`
}

// tokensModel is the count and price for one model.
type tokensModel struct {
	Model     string           `json:"model"`
	Provider  string           `json:"provider,omitempty"` // of the price table
	Requests  int64            `json:"requests"`
	Tokens    int64            `json:"tokens"`
	Exact     bool             `json:"exact"`
	How       string           `json:"how"`
	Roles     map[string]int64 `json:"roles"`
	Images    int              `json:"images,omitempty"`         // whose tokens are estimates
	Assumed   int              `json:"images_assumed,omitempty"` // of them, those taken for 1024 x 1024
	Uncounted []string         `json:"uncounted,omitempty"`

	OutputTokens int64  `json:"output_tokens"`
	CachedTokens int64  `json:"cached_tokens"`
	Batch        bool   `json:"batch"`
	Priced       bool   `json:"priced"`
	Why          string `json:"unpriced_because,omitempty"`
	InputUSD     string `json:"input_usd,omitempty"` // of what is not cached
	CachedUSD    string `json:"cached_usd,omitempty"`
	OutputUSD    string `json:"output_usd,omitempty"`
	TotalUSD     string `json:"total_usd,omitempty"`
	PriceAsOf    string `json:"price_as_of,omitempty"`
	PriceSource  string `json:"price_source,omitempty"`

	ContextWindow int64    `json:"context_window,omitempty"`
	ContextShare  float64  `json:"context_share,omitempty"` // of prompt and output; of the largest request; 1 is all of it
	Nearest       []string `json:"nearest,omitempty"`       // names of the table, if the model is not in it

	total int64 // nano-USD
	rate  int64 // input, micro-USD per million tokens
}

// entry words a count and its price. largest is the tokens, in and out, of the largest request.
func (f *tokensFlags) entry(name string, info *model.Info, kind string, c *tally.Count, q *tally.Quote, largest int64) tokensModel {
	m := tokensModel{
		Model: name, Requests: q.Requests, Tokens: c.Tokens, Exact: c.Exact, How: c.How(kind), Roles: c.Roles, Images: c.Images,
		Assumed: c.Assumed, Uncounted: c.Left(), OutputTokens: q.OutputTokens, CachedTokens: q.CachedTokens, Batch: f.batch,
		Priced: q.Priced, Why: q.Why, total: q.Total,
	}
	if info == nil {
		m.Nearest = model.Nearest(name, everyModel(f.table), 3)
		return m
	}
	m.Provider, m.ContextWindow, m.PriceAsOf, m.PriceSource = info.Provider, info.ContextWindow, info.AsOf, info.Source
	m.rate = info.ListAt(c.Tokens).Input
	if q.Requests != 1 {
		m.rate = info.List().Input
	}
	if q.Priced {
		m.InputUSD, m.CachedUSD, m.OutputUSD, m.TotalUSD = usd(q.Input), usd(q.Cached), usd(q.Output), usd(q.Total)
	}
	if m.ContextWindow > 0 {
		m.ContextShare = float64(largest) / float64(m.ContextWindow)
	}
	return m
}

// sortByPrice puts the cheapest first, and what has no price last.
func (r *tokensReport) sortByPrice() {
	slices.SortStableFunc(r.Models, func(a, b tokensModel) int {
		switch {
		case a.Priced && b.Priced:
			return cmp.Or(cmp.Compare(a.total, b.total), cmp.Compare(a.Model, b.Model))
		case a.Priced:
			return -1
		case b.Priced:
			return 1
		}
		return cmp.Compare(a.Model, b.Model)
	})
}

// usd writes nano-USD in full: 375000 is "0.000375".
func usd(nano int64) string {
	s := fmt.Sprintf("%d.%09d", nano/1e9, nano%1e9)
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
}

func (r *tokensReport) print(w io.Writer) error {
	if len(r.Models) == 1 {
		return r.printOne(w, &r.Models[0])
	}
	return r.printTable(w)
}

// title is the model's name with the provider whose prices are used.
func (m *tokensModel) title() string {
	if m.Provider == "" {
		return m.Model
	}
	return m.Provider + "/" + strings.TrimPrefix(m.Model, m.Provider+"/")
}

// printOne prints all that is known for one model.
func (r *tokensReport) printOne(w io.Writer, m *tokensModel) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "model\t%s\n", plain(m.title()))
	if r.Input.Kind == "lines" {
		fmt.Fprintf(t, "requests\t%d\n", m.Requests)
	}
	fmt.Fprintf(t, "tokens\t%d, %s\n", m.Tokens, m.How)
	if len(m.Roles) > 1 {
		for _, role := range slices.SortedFunc(maps.Keys(m.Roles), func(a, b string) int {
			return cmp.Or(cmp.Compare(m.Roles[b], m.Roles[a]), cmp.Compare(a, b))
		}) {
			fmt.Fprintf(t, "  %s\t%d\n", plain(role), m.Roles[role])
		}
	}
	if m.Images > 0 {
		fmt.Fprintf(t, "images\t%s, estimated by size", count(m.Images, "image"))
		if m.Assumed > 0 {
			fmt.Fprintf(t, "; %d of unknown size taken for 1024 x 1024", m.Assumed)
		}
		fmt.Fprintln(t)
	}
	if len(m.Uncounted) > 0 {
		fmt.Fprintf(t, "not counted\t%s\n", plain(strings.Join(m.Uncounted, ", ")))
	}
	m.printPrice(t)
	if m.ContextWindow > 0 {
		fmt.Fprintf(t, "context window\t%s of %d%s\n", share(m.ContextShare), m.ContextWindow, m.fits())
	}
	return t.Flush()
}

func (m *tokensModel) printPrice(t io.Writer) {
	if !m.Priced {
		fmt.Fprintf(t, "price\tunpriced: %s", m.Why)
		if len(m.Nearest) > 0 {
			fmt.Fprintf(t, "; nearest: %s", strings.Join(m.Nearest, ", "))
		}
		fmt.Fprintln(t)
		return
	}
	batch := ""
	if m.Batch {
		batch = ", less the batch discount"
	}
	fmt.Fprintf(t, "input\t$%s at $%s a million tokens%s (%s, %s)\n", m.InputUSD, usd(m.rate*1000), batch, m.PriceAsOf, m.PriceSource)
	if m.CachedTokens > 0 {
		fmt.Fprintf(t, "cached input\t$%s for %d tokens\n", m.CachedUSD, m.CachedTokens)
	}
	if m.OutputTokens > 0 {
		fmt.Fprintf(t, "output\t$%s for %d tokens\n", m.OutputUSD, m.OutputTokens)
	}
	if m.OutputTokens > 0 || m.CachedTokens > 0 {
		fmt.Fprintf(t, "total\t$%s\n", m.TotalUSD)
	}
}

func (m *tokensModel) fits() string {
	if m.ContextShare > 1 {
		return ": does not fit"
	}
	return ""
}

func share(v float64) string { return strconv.FormatFloat(100*v, 'f', 2, 64) + " %" }

// printTable prints models beside each other.
func (r *tokensReport) printTable(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	requests := ""
	if r.Input.Kind == "lines" {
		requests = "REQUESTS\t"
	}
	fmt.Fprintf(t, "MODEL\t%sTOKENS\tCOUNT\tINPUT $\tCACHED $\tOUTPUT\tOUTPUT $\tTOTAL $\tWINDOW\n", requests)
	var notes []string
	for i := range r.Models {
		m := &r.Models[i]
		how := "estimate"
		if m.Exact {
			how = "exact"
		}
		if requests != "" {
			requests = strconv.FormatInt(m.Requests, 10) + "\t"
		}
		money := []string{"-", "-", "-", "-"}
		if m.Priced {
			money = []string{m.InputUSD, m.CachedUSD, m.OutputUSD, m.TotalUSD}
		} else {
			notes = append(notes, plain(m.title())+": unpriced: "+m.Why)
		}
		window := "-"
		if m.ContextWindow > 0 {
			window = share(m.ContextShare) + m.fits()
		}
		fmt.Fprintf(t, "%s\t%s%d\t%s\t%s\t%s\t%d\t%s\t%s\t%s\n", plain(m.title()), requests, m.Tokens, how, money[0], money[1], m.OutputTokens, money[2], money[3], window)
		if len(m.Uncounted) > 0 {
			notes = append(notes, plain(m.title()+": not counted: "+strings.Join(m.Uncounted, ", ")))
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for i, n := range notes {
		if i == 10 {
			_, err := fmt.Fprintf(w, "and %d more notes\n", len(notes)-i)
			return err
		}
		if _, err := fmt.Fprintln(w, n); err != nil {
			return err
		}
	}
	return nil
}
