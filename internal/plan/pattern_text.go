package plan

import (
	"fmt"
	"io"
	"strings"
)

// WriteText writes the answer for people.
func (p *Pattern) WriteText(w io.Writer) error {
	if err := writeInputs(w, p.Inputs); err != nil {
		return err
	}
	choice := p.Choice
	if p.Online != "" {
		choice += " (" + p.Online + " and batch)"
	}
	fmt.Fprintf(w, "\nRECOMMENDED  %s\n", choice)
	if p.RunnerUp != "" {
		fmt.Fprintf(w, "RUNNER-UP    %s\n", p.RunnerUp)
	}
	for _, n := range p.Notes {
		fmt.Fprintf(w, "             %s\n", n)
	}
	if err := p.writeScores(w); err != nil {
		return err
	}
	if len(p.NotStated) > 0 {
		fmt.Fprintf(w, "\nnot stated, so not counted: %s\n", list(p.NotStated))
	}
	fmt.Fprintln(w, "\nFAILURES TO GUARD AGAINST")
	t := newTable(w)
	for _, g := range p.Guards {
		by := "always done"
		switch {
		case g.Client:
			by = "not by Sluice"
		case len(g.Settings) > 0:
			by = strings.Join(g.Settings, ", ")
		}
		fmt.Fprintf(t, "  %s\t%s\t%s\t%s\n", g.Pattern, g.Failure, g.Answer, by)
	}
	return t.Flush()
}

func (p *Pattern) writeScores(w io.Writer) error {
	fmt.Fprintln(w, "\nREASONS")
	t := newTable(w)
	fmt.Fprintln(t, "  CRITERION\tCASE\tDIRECT\tSTREAM\tBATCH\tWHY")
	for _, r := range p.Reasons {
		cell := func(pattern string) string {
			for _, out := range r.RulesOut {
				if out == pattern {
					return "no"
				}
			}
			return fmt.Sprintf("%+d", r.Points[pattern])
		}
		fmt.Fprintf(t, "  %s\t%s\t%s\t%s\t%s\t%s\n", r.Criterion, r.Case, cell(Direct), cell(Stream), cell(Batch), r.Text)
	}
	total := map[string]string{}
	for _, s := range p.Scores {
		total[s.Pattern] = fmt.Sprintf("%+d", s.Points)
		if s.RuledOut != "" {
			total[s.Pattern] = "no"
		}
	}
	fmt.Fprintf(t, "  sum\t\t%s\t%s\t%s\t\n", total[Direct], total[Stream], total[Batch])
	return t.Flush()
}
