package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"sluice/internal/llm"
	"sluice/internal/model"
)

// maxPrompt bounds what `sluice tokens` reads.
const maxPrompt = 64 << 20

// tokensFlags are the flags of `sluice tokens`.
type tokensFlags struct {
	model, text, prices string
	output              int64
	json                bool
}

func newTokensCommand() *cobra.Command {
	var f tokensFlags
	cmd := &cobra.Command{
		Use:   "tokens [file|-]",
		Short: "Count the tokens of a prompt and say what it costs",
		Long: "Count the tokens of a text, or of a chat request in JSON, and say what it costs and how much of the model's\n" +
			"context window it takes. Without a file the prompt comes from standard input.\n\n" +
			"For models of OpenAI the count is exact for plain text; for others, and for what surrounds the messages of a\n" +
			"chat, it is an estimate. Prices are from the built-in table, which is dated, unless --prices overrides them.",
		Example: "  sluice tokens --model gpt-4o --text 'How long is a piece of string?'\n" +
			"  sluice tokens --model anthropic/claude-opus-5 --output 500 --json prompt.txt",
		Args:          cobra.MaximumNArgs(1),
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			text, err := f.prompt(cmd, args)
			if err != nil {
				return err
			}
			table, err := model.Load(f.prices)
			if err != nil {
				return err
			}
			r, err := f.report(table, text)
			if err != nil {
				return err
			}
			return r.print(cmd.OutOrStdout(), f.json)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.model, "model", "", "`name` of the model, or provider/name (default: the one that a chat request names)")
	flags.StringVar(&f.text, "text", "", "the prompt itself")
	flags.StringVar(&f.prices, "prices", "", "JSON `file` that overrides prices")
	flags.Int64Var(&f.output, "output", 0, "also price `N` tokens of output")
	flags.BoolVar(&f.json, "json", false, "print JSON")
	return cmd
}

// prompt returns the text to count.
func (f *tokensFlags) prompt(cmd *cobra.Command, args []string) (string, error) {
	if f.output < 0 {
		return "", fmt.Errorf("--output is %d, want no negative number", f.output)
	}
	if cmd.Flags().Changed("text") {
		if len(args) > 0 {
			return "", errors.New("give --text or a file, not both")
		}
		return f.text, nil
	}
	in := cmd.InOrStdin()
	if len(args) > 0 && args[0] != "-" {
		file, err := os.Open(args[0])
		if err != nil {
			return "", fmt.Errorf("read prompt: %w", err)
		}
		defer file.Close()
		in = file
	}
	text, err := io.ReadAll(io.LimitReader(in, maxPrompt+1))
	if err != nil {
		return "", fmt.Errorf("read prompt: %w", err)
	}
	if len(text) > maxPrompt {
		return "", fmt.Errorf("read prompt: it has more than %d bytes", maxPrompt)
	}
	return string(text), nil
}

// tokensReport is the answer. Money is in USD, as decimal text: nothing is lost to floating point.
type tokensReport struct {
	Model         string   `json:"model"`
	Provider      string   `json:"provider,omitempty"`
	Kind          string   `json:"input"` // text or chat
	Tokens        int64    `json:"tokens"`
	Exact         bool     `json:"exact"`
	Vocabulary    string   `json:"vocabulary,omitempty"`
	Uncounted     []string `json:"uncounted,omitempty"` // parts of a chat that have no text
	OutputTokens  int64    `json:"output_tokens,omitempty"`
	Priced        bool     `json:"priced"`
	InputUSD      string   `json:"input_usd,omitempty"`
	OutputUSD     string   `json:"output_usd,omitempty"`
	TotalUSD      string   `json:"total_usd,omitempty"`
	PriceAsOf     string   `json:"price_as_of,omitempty"`
	PriceSource   string   `json:"price_source,omitempty"`
	ContextWindow int64    `json:"context_window,omitempty"`
	ContextShare  float64  `json:"context_share,omitempty"` // of prompt and output; 1 is all of it
	Nearest       []string `json:"nearest,omitempty"`       // names of the table, if the model is not in it

	inputRate int64 // micro-USD per million tokens
}

func (f *tokensFlags) report(table *model.Table, text string) (*tokensReport, error) {
	r := &tokensReport{Model: f.model, Kind: "text", OutputTokens: f.output}
	counter := model.NewCounter()
	if c, ok := readChat(text); ok {
		if r.Model == "" {
			r.Model = c.Model
		}
		r.Kind = "chat"
		count, uncounted := c.count(counter, r.Model)
		r.Tokens, r.Vocabulary, r.Uncounted = count.Tokens, count.Vocabulary, uncounted
	} else {
		count := counter.Count(r.Model, text)
		r.Tokens, r.Exact, r.Vocabulary = count.Tokens, count.Exact, count.Vocabulary
	}
	if r.Model == "" {
		return nil, errors.New("--model is missing, and the input is no chat request that names one")
	}
	info := findModel(table, r.Model)
	if info == nil {
		r.Nearest = model.Nearest(r.Model, everyModel(table), 3)
		return r, nil
	}
	r.Provider, r.ContextWindow, r.PriceAsOf, r.PriceSource = info.Provider, info.ContextWindow, info.AsOf, info.Source
	r.inputRate = info.List().Input
	in, inOK := info.Cost(llm.Usage{Input: r.Tokens}, "")
	total, totalOK := info.Cost(llm.Usage{Input: r.Tokens, Output: r.OutputTokens}, "")
	if r.Priced = inOK && totalOK; r.Priced {
		r.InputUSD, r.OutputUSD, r.TotalUSD = usd(in), usd(total-in), usd(total)
	}
	if r.ContextWindow > 0 {
		r.ContextShare = float64(r.Tokens+r.OutputTokens) / float64(r.ContextWindow)
	}
	return r, nil
}

// findModel looks a model up: provider/model, or a bare name, which makers of models win over those who resell them.
func findModel(table *model.Table, name string) *model.Info {
	if provider, rest, ok := strings.Cut(name, "/"); ok {
		if i, ok := table.Lookup(provider, rest); ok {
			return i
		}
	}
	makers := []string{"openai", "anthropic", "google", "xai", "mistral", "deepseek", "cohere", "voyage"}
	for _, p := range append(makers, table.Providers()...) {
		if i, ok := table.Lookup(p, name); ok {
			return i
		}
	}
	return nil
}

func everyModel(table *model.Table) []string {
	var all []string
	for _, p := range table.Providers() {
		for _, n := range table.Names(p) {
			all = append(all, p+"/"+n)
		}
	}
	return all
}

// usd writes nano-USD in full: 375000 is "0.000375".
func usd(nano int64) string {
	s := fmt.Sprintf("%d.%09d", nano/1e9, nano%1e9)
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
}

func (r *tokensReport) print(w io.Writer, asJSON bool) error {
	if asJSON {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(r)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	name := r.Model
	if r.Provider != "" {
		name = r.Provider + "/" + strings.TrimPrefix(name, r.Provider+"/")
	}
	fmt.Fprintf(t, "model\t%s\n", name)
	fmt.Fprintf(t, "tokens\t%d, %s\n", r.Tokens, r.how())
	if len(r.Uncounted) > 0 {
		fmt.Fprintf(t, "not counted\t%s\n", strings.Join(r.Uncounted, ", "))
	}
	switch {
	case r.Priced:
		fmt.Fprintf(t, "input\t$%s at $%s a million tokens (%s, %s)\n", r.InputUSD, usd(r.inputRate*1000), r.PriceAsOf, r.PriceSource)
		if r.OutputTokens > 0 {
			fmt.Fprintf(t, "output\t$%s for %d tokens\n", r.OutputUSD, r.OutputTokens)
			fmt.Fprintf(t, "total\t$%s\n", r.TotalUSD)
		}
	case len(r.Nearest) > 0:
		fmt.Fprintf(t, "price\tunpriced: the model is not in the table; nearest: %s\n", strings.Join(r.Nearest, ", "))
	default:
		fmt.Fprintf(t, "price\tunpriced: the model is not in the table\n")
	}
	if r.ContextWindow > 0 {
		fits := ""
		if r.ContextShare > 1 {
			fits = ": does not fit"
		}
		fmt.Fprintf(t, "context window\t%s %% of %d%s\n", strconv.FormatFloat(100*r.ContextShare, 'f', 2, 64), r.ContextWindow, fits)
	}
	return t.Flush()
}

// how says how the tokens were counted.
func (r *tokensReport) how() string {
	switch {
	case r.Exact:
		return "exact (" + r.Vocabulary + ")"
	case r.Kind == "chat" && r.Vocabulary != "":
		return "estimate (text by " + r.Vocabulary + ", and what surrounds the messages)"
	case r.Vocabulary != "":
		return "estimate (by " + r.Vocabulary + "; the model's own vocabulary is not published)"
	default:
		return "estimate (four bytes a token)"
	}
}

// chatPrompt is what has text in a chat request.
type chatPrompt struct {
	Model    string `json:"model"`
	Messages []struct {
		Role      string          `json:"role"`
		Name      string          `json:"name"`
		Content   json.RawMessage `json:"content"`
		ToolCalls json.RawMessage `json:"tool_calls"`
	} `json:"messages"`
	Tools json.RawMessage `json:"tools"`
}

// readChat reads the text as a chat request. ok is false if it is none.
func readChat(text string) (c chatPrompt, ok bool) {
	if !strings.HasPrefix(strings.TrimLeft(text, " \t\r\n"), "{") {
		return c, false
	}
	err := json.Unmarshal([]byte(text), &c)
	return c, err == nil && len(c.Messages) > 0
}

// What OpenAI's models add to the text of a chat, by OpenAI's cookbook ("How to count tokens with tiktoken", seen 2026-10).
const (
	perMessage = 3
	perName    = 1
	perAnswer  = 3
)

// count adds up the tokens of a chat. Tools count as their JSON, which is near enough for an estimate.
func (c *chatPrompt) count(counter *model.Counter, name string) (model.Count, []string) {
	total := model.Count{Tokens: perAnswer}
	add := func(text string) {
		n := counter.Count(name, text)
		total.Tokens += n.Tokens
		total.Vocabulary = n.Vocabulary
	}
	missing := map[string]int{}
	for i := range c.Messages {
		m := &c.Messages[i]
		total.Tokens += perMessage
		add(m.Role)
		if m.Name != "" {
			total.Tokens += perName
			add(m.Name)
		}
		for _, text := range contentText(m.Content, missing) {
			add(text)
		}
		if len(m.ToolCalls) > 0 && !bytes.Equal(m.ToolCalls, []byte("null")) {
			add(string(m.ToolCalls))
		}
	}
	if len(c.Tools) > 0 && !bytes.Equal(c.Tools, []byte("null")) {
		add(string(c.Tools))
	}
	var uncounted []string
	for _, kind := range slices.Sorted(maps.Keys(missing)) {
		uncounted = append(uncounted, fmt.Sprintf("%d %s", missing[kind], kind))
	}
	return total, uncounted
}

// contentText returns the texts of a message's content, and counts by type the parts that have none.
func contentText(raw json.RawMessage, missing map[string]int) []string {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return []string{text}
	}
	var parts []struct {
		Type string  `json:"type"`
		Text *string `json:"text"`
	}
	if json.Unmarshal(raw, &parts) != nil {
		return nil
	}
	var all []string
	for _, p := range parts {
		if p.Text != nil {
			all = append(all, *p.Text)
		} else {
			missing[p.Type]++
		}
	}
	return all
}
