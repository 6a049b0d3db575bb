package tally

import (
	"context"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"sluice/internal/model"
)

// Count is how many tokens a prompt has for a model, and how that was found.
type Count struct {
	Tokens     int64
	Exact      bool
	Vocabulary string           // "o200k_base", …; "" if estimated from the size
	Roles      map[string]int64 // of Tokens; "overhead" is what surrounds the messages
	Images     int              // whose tokens are estimated
	Assumed    int              // of them, those whose size is not known
	Uncounted  map[string]int   // pieces that cannot be counted, by type; they are not in Tokens
}

// What OpenAI's models add to the text of a chat, by OpenAI's cookbook ("How to count tokens with tiktoken", seen 2026-10).
const (
	perMessage = 3
	perName    = 1
	perAnswer  = 3
)

// overhead is the role of what is in no message.
const overhead = "overhead"

// CountPrompt counts the tokens of a prompt for models, in their order. It is exact for the plain text of models whose vocabulary
// is published. Chats are estimates: the text of their messages is counted by the vocabulary, and what surrounds it is added by
// rule. Text is counted once for each vocabulary, however many models share it. The error is that of ctx.
func CountPrompt(ctx context.Context, counter *model.Counter, p *Prompt, models ...string) ([]Count, error) {
	counted := map[string][]int64{} // by vocabulary, the tokens of each part
	all := make([]Count, len(models))
	for i, name := range models {
		how := counter.Count(name, "")
		if counted[how.Vocabulary] == nil {
			tokens, err := countTexts(ctx, counter, p, name)
			if err != nil {
				return nil, err
			}
			counted[how.Vocabulary] = tokens
		}
		all[i] = countOne(p, name, how, counted[how.Vocabulary])
	}
	return all, nil
}

// countTexts counts the texts of a prompt's parts by the vocabulary of a model. Long texts are counted in pieces, several at once:
// megabytes take seconds, and whoever waits may want to stop.
func countTexts(ctx context.Context, counter *model.Counter, p *Prompt, name string) ([]int64, error) {
	tokens := make([]int64, len(p.Parts))
	for i := range p.Parts {
		text := p.Parts[i].Text
		if len(text) <= pieceSize {
			if text != "" {
				tokens[i] = counter.Count(name, text).Tokens
			}
			continue
		}
		n, err := countLong(ctx, counter, name, text)
		if err != nil {
			return nil, err
		}
		tokens[i] = n
	}
	return tokens, context.Cause(ctx)
}

// pieceSize is about how long the pieces of a long text are, in bytes.
const pieceSize = 64 << 10

func countLong(ctx context.Context, counter *model.Counter, name, text string) (int64, error) {
	if counter.Count(name, "").Vocabulary == "" {
		return counter.Count(name, text).Tokens, nil // by its size
	}
	var total atomic.Int64
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for len(text) > 0 && ctx.Err() == nil {
		n := boundary(text, pieceSize)
		piece := text[:n]
		text = text[n:]
		g.Go(func() error {
			total.Add(counter.Count(name, piece).Tokens)
			return nil
		})
	}
	_ = g.Wait() // they return none
	return total.Load(), context.Cause(ctx)
}

// boundary returns where to cut a text at or after some bytes so that the tokens of both sides add up to those of the whole: between
// two words. The patterns by which o200k_base and cl100k_base take a text apart before they look for tokens never match across a
// letter on one side and a space with a letter on the other. Without such a place the text stays whole.
func boundary(text string, after int) int {
	for i := max(after, 1); i < len(text)-1; i++ {
		if text[i] == ' ' && letter(text[i-1]) && letter(text[i+1]) {
			return i
		}
	}
	return len(text)
}

func letter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }

// countOne adds up the parts of a prompt for one model.
func countOne(p *Prompt, name string, how model.Count, texts []int64) Count {
	c := Count{Roles: map[string]int64{}, Exact: how.Exact && p.Kind != Chat, Vocabulary: how.Vocabulary}
	add := func(role string, n int64) {
		c.Tokens += n
		c.Roles[role] += n
	}
	if p.Kind == Chat {
		add(overhead, perAnswer+perMessage*int64(p.Messages))
	}
	for i := range p.Parts {
		part := &p.Parts[i]
		switch {
		case part.Image != nil:
			add(part.Role, part.Image.tokens(name))
			c.Images++
			c.Exact = false
			if part.Image.Width == 0 && part.Image.Detail != "low" {
				c.Assumed++
			}
		case part.Other != "":
			if c.Uncounted == nil {
				c.Uncounted = map[string]int{}
			}
			c.Uncounted[part.Other]++
			c.Exact = false
		default:
			add(part.Role, texts[i]+part.Tokens)
			if part.Name {
				add(overhead, perName)
			}
		}
	}
	return c
}

// Add adds another count of the same model.
func (c *Count) Add(o Count) {
	if c.Roles == nil {
		*c = Count{Exact: true, Vocabulary: o.Vocabulary, Roles: map[string]int64{}}
	}
	c.Tokens += o.Tokens
	c.Exact = c.Exact && o.Exact
	if c.Vocabulary != o.Vocabulary {
		c.Vocabulary = ""
	}
	for role, n := range o.Roles {
		c.Roles[role] += n
	}
	c.Images += o.Images
	c.Assumed += o.Assumed
	for kind, n := range o.Uncounted {
		if c.Uncounted == nil {
			c.Uncounted = map[string]int{}
		}
		c.Uncounted[kind] += n
	}
}

// Left lists what could not be counted: "2 file".
func (c *Count) Left() []string {
	var all []string
	for _, kind := range slices.Sorted(maps.Keys(c.Uncounted)) {
		all = append(all, fmt.Sprintf("%d %s", c.Uncounted[kind], kind))
	}
	return all
}

// How says in words how the tokens were counted.
func (c *Count) How(kind string) string {
	switch {
	case c.Exact:
		return "exact (" + c.Vocabulary + ")"
	case kind != Text && c.Vocabulary != "":
		return "estimate (text by " + c.Vocabulary + ", and what surrounds the messages)"
	case c.Vocabulary != "":
		return "estimate (by " + c.Vocabulary + "; the model's own vocabulary is not published)"
	default:
		return "estimate (four bytes a token)"
	}
}
