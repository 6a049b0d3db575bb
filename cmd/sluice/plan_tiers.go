package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"sluice/internal/model"
	"sluice/internal/plan"
)

func newPlanTiersCommand() *cobra.Command {
	var provider, name, file string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "tiers",
		Short: "List providers' limits by tier, with source and date",
		Long: `Lists the limits that providers publish for their usage tiers. They are dated facts, most of them second-hand: each row
names its source and day, and a row that is not from the provider's own current page is marked unverified. What your account
has is in its console and in the headers of its answers.

--tiers-file puts a JSON file of the same shape over the facts that ship with the program; --json prints that shape.`,
		Example: "  sluice plan tiers --provider openai --model gpt-4o\n  sluice plan tiers --json > tiers.json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			tiers, err := plan.LoadTiers(file)
			if err != nil {
				return err
			}
			if tiers, err = filterTiers(tiers, provider, name); err != nil {
				return err
			}
			if asJSON {
				return writeJSON(cmd.OutOrStdout(), tiers)
			}
			return writeTiers(cmd.OutOrStdout(), tiers)
		},
	}
	f := cmd.Flags()
	f.StringVar(&provider, "provider", "", "only this `name`")
	f.StringVar(&name, "model", "", "only limits that hold for this model: `name`, or provider/model")
	f.StringVar(&file, "tiers-file", "", "JSON `file` that overrides tiers")
	f.BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// filterTiers keeps what was asked for.
func filterTiers(all *plan.Tiers, provider, name string) (*plan.Tiers, error) {
	if p, rest, ok := strings.Cut(name, "/"); ok && slices.Contains(all.Names(), p) {
		if provider != "" && provider != p {
			return nil, fmt.Errorf("--provider is %s, but --model is of %s", provider, p)
		}
		provider, name = p, rest
	}
	if provider != "" && !slices.Contains(all.Names(), provider) {
		return nil, fmt.Errorf("--provider: no tiers of %q are known%s", provider, nearestOf(provider, all.Names()))
	}
	kept := &plan.Tiers{Sources: map[string]plan.Source{}, Providers: map[string]plan.Rules{}}
	for _, t := range all.Tiers {
		if provider != "" && t.Provider != provider {
			continue
		}
		if name != "" {
			l, ok := t.For(name)
			if !ok || provider == "" && !l.Limits.Any() { // a tier without numbers says nothing of one model
				continue
			}
			t.Limits = []plan.TierLimits{l}
		}
		kept.Tiers = append(kept.Tiers, t)
		kept.Providers[t.Provider] = all.Providers[t.Provider]
		if t.QualifiesID != "" {
			kept.Sources[t.QualifiesID] = all.Sources[t.QualifiesID]
		}
		for _, l := range t.Limits {
			kept.Sources[l.SourceID] = all.Sources[l.SourceID]
		}
	}
	if len(kept.Tiers) == 0 {
		return nil, fmt.Errorf("--model: no limits for %q are known", name)
	}
	return kept, nil
}

// nearestOf ends an error about an unknown name.
func nearestOf(name string, known []string) string {
	if near := model.Nearest(name, known, 3); len(near) > 0 {
		return "; nearest: " + strings.Join(near, ", ")
	}
	return "; there are " + strings.Join(known, ", ")
}

func writeTiers(w io.Writer, all *plan.Tiers) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "TIER\tMODELS\tLIMITS\tAS OF\tSOURCE")
	for _, tier := range all.Tiers {
		for _, l := range tier.Limits {
			mark := ""
			if l.Unverified {
				mark = " (unverified)"
			}
			fmt.Fprintf(t, "%s/%s\t%s\t%s\t%s%s\t%s\n", tier.Provider, tier.Name, strings.Join(l.Models, " "), limitsText(l.Limits),
				all.Source(l).AsOf, mark, l.SourceID)
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(w)
	for _, name := range all.Names() {
		for _, tier := range all.Of(name) {
			if tier.Qualifies != "" {
				from := ""
				if tier.QualifiesID != "" {
					from = " (" + tier.QualifiesID + ")"
				}
				fmt.Fprintf(w, "%s/%s: %s%s\n", name, tier.Name, tier.Qualifies, from)
			}
		}
		if r := all.Providers[name]; r.Scope != "" || r.Note != "" {
			fmt.Fprintf(w, "%s: %s\n", name, rulesText(r))
		}
	}
	fmt.Fprintln(w)
	return writeSources(w, all)
}

func writeSources(w io.Writer, all *plan.Tiers) error {
	var ids []string
	for id := range all.Sources {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		s := all.Sources[id]
		page := s.Page
		if s.URL != "" {
			page += ", " + s.URL
		}
		if _, err := fmt.Fprintf(w, "%s: %s (%s, %s)\n", id, page, s.Kind, s.AsOf); err != nil {
			return err
		}
		if s.Note != "" {
			fmt.Fprintf(w, "  %s\n", s.Note)
		}
	}
	return nil
}

func limitsText(l plan.Limits) string {
	var parts []string
	for _, x := range l.List() {
		parts = append(parts, x.Name+" "+plan.Int(x.Value).Grouped(0))
	}
	if len(parts) == 0 {
		return "not published"
	}
	return strings.Join(parts, ", ")
}

func rulesText(r plan.Rules) string {
	var parts []string
	if r.Scope != "" {
		parts = append(parts, "limits are of the "+r.Scope)
	}
	if r.CountsCached != nil && *r.CountsCached {
		parts = append(parts, "cached input counts")
	} else if r.CountsCached != nil {
		parts = append(parts, "cached input does not count")
	}
	if r.Output == "reserved" {
		parts = append(parts, "max_tokens is charged on arrival")
	}
	s := strings.Join(parts, "; ")
	if r.Note != "" {
		s = strings.TrimPrefix(s+". "+r.Note, ". ")
	}
	return s
}
