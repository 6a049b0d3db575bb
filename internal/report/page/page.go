// Package page writes the results of a suite as one HTML page, for a manager to read and an engineer to check. It computes no
// figure of its own: what it shows is in report's results. It runs no goroutines.
package page

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"slices"

	"sluice/internal/report"
)

// files are the parts of the page. The script and the style are built from web/report by `make report-page`.
//
//go:embed html/page.html html/parts.html html/report.css html/report.js
var files embed.FS

// Write writes the results of a suite as one HTML page for people. The page holds its own script, style and data: it
// asks no network for anything, and its content security policy forbids that it could. Everything that came from outside,
// such as names of models and texts of errors, is escaped.
//
// Each figure on the page is in an element with the attribute data-figure, a JSON array of its source, its path there and
// its value: [2,"ttft_ms.p95.mean",312.5] is a figure of the third of results, in the form that JSON gives them, and
// ["ID","client.cpu",0.31] is one of the run with that ID. "ok/requests" is the quotient of two figures.
func Write(w io.Writer, s *report.Suite, results []report.CellResult) error {
	page, err := newPage(s, results)
	if err != nil {
		return fmt.Errorf("write HTML report: %w", err)
	}
	t, err := template.ParseFS(files, "html/page.html", "html/parts.html")
	if err != nil {
		return fmt.Errorf("write HTML report: %w", err)
	}
	var buf bytes.Buffer // so that an error leaves no half of a page
	if err := t.ExecuteTemplate(&buf, "page.html", page); err != nil {
		return fmt.Errorf("write HTML report: %w", err)
	}
	if _, err := buf.WriteTo(w); err != nil {
		return fmt.Errorf("write HTML report: %w", err)
	}
	return nil
}

// page is what the template shows. A section that is nil, or has no rows, says what is missing instead.
type page struct {
	Policy string       // content security policy
	Style  template.CSS // of our own making
	Script template.JS  // of our own making
	Data   template.JS  // JSON, escaped for a script element

	Title, Lede string
	Verdict     *report.Verdict // the worst of all; nil if nothing was measured
	Answer      sentence
	Say         []sentence
	Cannot      []sentence
	Tiles       []tile

	Heat    *heat
	Bound   string // what throughput does not say
	Costs   []costRow
	Priced  bool // any target
	Curve   bool // there is a point to draw
	TTFT    bool // any target streams
	Sweep   bool // any target has several load levels
	Repeats bool // any target was measured more than once
	Time    bool // any run has latencies over time
	Thin    string
	Shares  *shares
	Quotas  []quotaRow
	Table   *bigTable
	Pooled  *pooledTable
	Facts   []fact
	Runs    *runTable
	Source  string // of the workload
	Terms   []term
	Footer  string
}

func newPage(s *report.Suite, results []report.CellResult) (*page, error) {
	style, err := files.ReadFile("html/report.css")
	if err != nil {
		return nil, err
	}
	script, err := files.ReadFile("html/report.js")
	if err != nil {
		return nil, err
	}
	v := newView(s, results)
	data := v.chartData()
	encoded, err := json.Marshal(data) // escapes <, > and &, so that no name can end the script element
	if err != nil {
		return nil, fmt.Errorf("encode chart data: %w", err)
	}
	return &page{
		Policy: fmt.Sprintf("default-src 'none'; script-src '%s'; style-src '%s'; img-src data:; base-uri 'none'; form-action 'none'",
			integrity(script), integrity(style)),
		Style: template.CSS(style), Script: template.JS(script), Data: template.JS(encoded),
		Title: v.title(), Lede: v.lede(), Verdict: v.worst(), Answer: v.answer(), Say: v.say(), Cannot: v.cannot(), Tiles: v.tiles(),
		Heat: v.heat(), Bound: v.boundNote(), Costs: v.costs(), Priced: len(data.Cost) > 0, Curve: len(data.Load) > 0,
		TTFT: v.any(latencyTTFT()), Sweep: v.sweep(), Repeats: slices.ContainsFunc(results, func(r report.CellResult) bool { return r.Repeats > 1 }), Time: len(data.Time) > 0, Thin: data.thin,
		Shares: v.shares(), Quotas: v.quotas(), Table: v.table(), Pooled: v.pooled(),
		Facts: v.facts(), Runs: v.runs(), Source: s.Workload.Source, Terms: terms(), Footer: v.footer(),
	}, nil
}

// integrity is a text's digest as a content security policy names what it allows.
func integrity(text []byte) string {
	sum := sha256.Sum256(text)
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}
