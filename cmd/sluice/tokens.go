package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"sluice/internal/model"
	"sluice/internal/tally"
)

// maxPrompt bounds a prompt that `sluice tokens` reads whole. Files of one request a line have no such limit.
const maxPrompt = 64 << 20

// tokensFlags are the flags of `sluice tokens`.
type tokensFlags struct {
	models              []string
	text, prices        string
	output, cached      string
	batch               bool
	jsonl, each, asJSON bool

	// Made of the flags by run.
	named   bool // --text was given
	terms   tally.Terms
	table   *model.Table
	counter *model.Counter
}

func newTokensCommand() *cobra.Command {
	var f tokensFlags
	cmd := &cobra.Command{
		Use:   "tokens [file|-]",
		Short: "Count the tokens of a prompt and say what it costs",
		Long: `Counts the tokens of a text or a request, and says what it costs and how much of the model's context window it takes, for
one model or for several beside each other. Without a file the prompt comes from standard input. What is JSON in the form of
a request (chat, completion, embeddings) is counted as that: by role, with tools and images.

A file that ends in .jsonl, or any with --jsonl, has one request a line: a batch as providers take it, requests, or objects
with a text. It is read line by line, however long it is. A line that cannot be read is named, and the command then ends
with an error.

For models of OpenAI the count is exact for plain text; for others, for what surrounds the messages of a chat, for tools and
for images it is an estimate. Prices are from the built-in table, which is dated, unless --prices overrides them.`,
		Example: "  sluice tokens --model gpt-4o --text 'How long is a piece of string?'\n" +
			"  sluice tokens --model gpt-4o-mini --model anthropic/claude-opus-5 --output 500 prompt.txt\n" +
			"  sluice tokens --model 'openai/gpt-4*' --cached 80% request.json\n" +
			"  sluice tokens --batch --each batch.jsonl",
		Args:          cobra.MaximumNArgs(1),
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			f.named = cmd.Flags().Changed("text")
			return f.run(cmd, args)
		},
	}
	flags := cmd.Flags()
	flags.StringSliceVarP(&f.models, "model", "m", nil, "`name` of a model, or provider/name, or a pattern with * for all that it matches; may be repeated (default: the one that the request names)")
	flags.StringVar(&f.text, "text", "", "the prompt itself")
	flags.StringVar(&f.prices, "prices", "", "JSON `file` that overrides prices")
	flags.StringVar(&f.output, "output", "", "also price `N` tokens of output; max for as many as the model can give (default: what the request allows)")
	flags.StringVar(&f.cached, "cached", "", "part of the input that comes from the provider's cache: `N` tokens, or a share (80%)")
	flags.BoolVar(&f.batch, "batch", false, "price by the provider's batch discount")
	flags.BoolVar(&f.jsonl, "jsonl", false, "the file has one request a line")
	flags.BoolVar(&f.each, "each", false, "with one request a line: tell of each line too")
	flags.BoolVar(&f.asJSON, "json", false, "print JSON")
	return cmd
}

func (f *tokensFlags) run(cmd *cobra.Command, args []string) error {
	if err := f.check(args); err != nil {
		return err
	}
	var err error
	if f.table, err = model.Load(f.prices); err != nil {
		return err
	}
	f.counter = model.NewCounter()
	in, name, done, err := f.open(cmd, args)
	if err != nil {
		return err
	}
	defer done()
	if f.jsonl || strings.HasSuffix(name, ".jsonl") {
		return f.lines(cmd, in)
	}
	if f.each {
		return errors.New("--each is for files with one request a line (--jsonl)")
	}
	return f.one(cmd, in)
}

// check reads the flags that are more than words.
func (f *tokensFlags) check(args []string) error {
	if f.named && len(args) > 0 {
		return errors.New("give --text or a file, not both")
	}
	if f.named && f.jsonl {
		return errors.New("give --text or --jsonl, not both")
	}
	f.terms.Batch = f.batch
	switch f.output {
	case "":
		f.terms.Output = -1
	case "max":
		f.terms.OutputMax = true
	default:
		n, err := strconv.ParseInt(f.output, 10, 64)
		if err != nil || n < 0 || n > 1<<40 {
			return fmt.Errorf("--output is %s, want a number of tokens that is not negative, or max", f.output)
		}
		f.terms.Output = n
	}
	if f.cached != "" {
		var err error
		if f.terms.Cached, err = tally.ParseCached(f.cached); err != nil {
			return fmt.Errorf("--cached: %w", err)
		}
	}
	return nil
}

// open returns what is to be counted, and its name.
func (f *tokensFlags) open(cmd *cobra.Command, args []string) (in io.Reader, name string, done func(), err error) {
	switch {
	case f.named:
		return strings.NewReader(f.text), "", func() {}, nil
	case len(args) == 0 || args[0] == "-":
		return &interruptible{ctx: cmd.Context(), r: cmd.InOrStdin()}, "", func() {}, nil
	}
	file, err := os.Open(args[0])
	if err != nil {
		return nil, "", nil, fmt.Errorf("read prompt: %w", err)
	}
	return file, args[0], func() { _ = file.Close() }, nil // only read
}

// one counts one prompt.
func (f *tokensFlags) one(cmd *cobra.Command, in io.Reader) error {
	b, err := io.ReadAll(io.LimitReader(in, maxPrompt+1))
	if err != nil {
		return interrupted(cmd.Context(), fmt.Errorf("read prompt: %w", err))
	}
	if len(b) > maxPrompt {
		return fmt.Errorf("read prompt: it has more than %d bytes; a file with one request a line (--jsonl) may be of any length", maxPrompt)
	}
	p, ok := tally.ReadRequest(string(b))
	if !ok {
		p = tally.TextPrompt(string(b))
	}
	names, sorted, err := f.resolve(p.Model, p.Kind)
	if err != nil {
		return err
	}
	r := tokensReport{Input: tokensInput{Kind: p.Kind, Bytes: int64(len(b)), Requests: 1}}
	infos := f.infos(names)
	counts, err := tally.CountPrompt(cmd.Context(), f.counter, p, names...)
	if err != nil {
		return interrupted(cmd.Context(), err)
	}
	for i, c := range counts {
		if err := f.terms.Check(infos[i]); err != nil && !sorted {
			return fmt.Errorf("--output max: %s: %w; give a number", names[i], err)
		}
		q := tally.NewQuote(infos[i], &c, p, f.terms)
		r.Models = append(r.Models, f.entry(names[i], infos[i], p.Kind, &c, &q, c.Tokens+q.OutputTokens))
	}
	if sorted {
		r.sortByPrice()
	}
	if f.asJSON {
		return writeJSON(cmd.OutOrStdout(), r)
	}
	return r.print(cmd.OutOrStdout())
}

// resolve returns the names of the models that are asked for: those of --model with patterns spelled out, or else the one that the
// request names. patterns tells that there were some, whose models are best seen in the order of their prices.
func (f *tokensFlags) resolve(named, kind string) (names []string, patterns bool, err error) {
	if len(f.models) == 0 {
		if named == "" {
			return nil, false, errors.New("--model is missing, and the input is no request that names one")
		}
		return []string{named}, false, nil
	}
	for _, m := range f.models {
		if !model.IsPattern(m) {
			names = append(names, m)
			continue
		}
		patterns = true
		all := f.match(m, kind)
		if len(all) == 0 {
			return nil, false, fmt.Errorf("--model %s matches no model of the price table", m)
		}
		names = append(names, all...)
	}
	seen := map[string]bool{}
	names = slices.DeleteFunc(names, func(n string) bool { dup := seen[n]; seen[n] = true; return dup })
	return names, patterns, nil
}

// match returns the models of the price table that a pattern matches, of the kind that can take the prompt.
func (f *tokensFlags) match(pattern, kind string) []string {
	want := "chat"
	if kind == tally.Embedding {
		want = "embedding"
	}
	var all []string
	for _, p := range f.table.Providers() {
		for _, n := range f.table.Names(p) {
			info, _ := f.table.Lookup(p, n)
			if (info.Kind == "" || info.Kind == want) && (model.Match(pattern, p+"/"+n) || model.Match(pattern, n)) {
				all = append(all, p+"/"+n)
			}
		}
	}
	return all
}

func (f *tokensFlags) infos(names []string) []*model.Info {
	all := make([]*model.Info, len(names))
	for i, n := range names {
		all[i] = findModel(f.table, n)
	}
	return all
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

// interruptible is a reader whose reads end with a context: someone who types a prompt, or a pipe that stays silent, would
// otherwise keep Ctrl-C from being heard. It is read by one goroutine.
type interruptible struct {
	ctx context.Context
	r   io.Reader
	buf [64 << 10]byte
}

// Read reads in a goroutine of its own. One that is left behind by the end of the context waits for a read that nothing can end;
// it goes with the process.
func (i *interruptible) Read(p []byte) (int, error) {
	type result struct {
		n   int
		err error
	}
	done := make(chan result, 1) // sent once
	buf := i.buf[:min(len(p), len(i.buf))]
	go func() {
		n, err := i.r.Read(buf)
		done <- result{n, err}
	}()
	select {
	case r := <-done:
		return copy(p, buf[:r.n]), r.err
	case <-i.ctx.Done():
		return 0, context.Cause(i.ctx)
	}
}

// interrupted tells an end by the user from other errors.
func interrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return errors.New("tokens: interrupted")
	}
	return err
}
