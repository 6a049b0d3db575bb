package workload

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"sluice/internal/model"
)

// Limits on files of prompts, which are held in memory.
const (
	maxCorpusBytes = 256 << 20
	maxCorpusLines = 1_000_000
	maxCorpusLine  = 8 << 20
)

// promptRule says how prompts from a file are used.
type promptRule struct {
	Digest string `json:"digest,omitempty"` // of the file
	Unique bool   `json:"unique,omitempty"` // each begins with words of its own
}

// corpus is a file of prompts.
type corpus struct {
	lines  []corpusLine
	digest string
}

// corpusLine is one prompt.
type corpusLine struct {
	messages []Message
	embed    bool
	tokens   int32 // estimated
	output   int32 // 0 if the line does not limit it
}

// kind returns what a line is sent as in place of a kind of the mix.
func (l *corpusLine) kind(k Kind) Kind {
	switch {
	case l.embed:
		return Embeddings
	case k == Embeddings:
		return Chat
	}
	return k
}

// row returns the line of the c-th request. Each line comes once before any comes again, in an order of the source.
func (p *corpus) row(src source, c int64) int32 {
	n := int64(len(p.lines))
	stride := int64(src.bits(0)>>1)%n + 1
	for gcd(stride, n) != 1 {
		stride++
	}
	return int32((int64(src.bits(1)>>1)%n + c%n*(stride%n)) % n)
}

func gcd(a, b int64) int64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// readCorpus reads prompts, one JSON object a line: {"prompt": text}, {"messages": [{"role", "content"}]} or {"input": text}
// for embeddings, each with "max_tokens" if it likes. Other members are ignored. Errors name the line.
func readCorpus(src io.Reader) (*corpus, error) {
	hash := sha256.New()
	bounded := &io.LimitedReader{R: io.TeeReader(src, hash), N: maxCorpusBytes + 1}
	lines := bufio.NewScanner(bounded)
	lines.Buffer(nil, maxCorpusLine)
	c := new(corpus)
	number := 0
	for lines.Scan() {
		number++
		switch {
		case bounded.N <= 0:
			return nil, fmt.Errorf("the file is larger than %d MiB", maxCorpusBytes>>20)
		case len(lines.Bytes()) == 0:
			continue
		case len(c.lines) == maxCorpusLines:
			return nil, fmt.Errorf("line %d: there are more than %d prompts", number, maxCorpusLines)
		}
		line, err := parsePrompt(lines.Bytes())
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		c.lines = append(c.lines, line)
	}
	switch {
	case errors.Is(lines.Err(), bufio.ErrTooLong):
		return nil, fmt.Errorf("line %d: is longer than %d MiB", number+1, maxCorpusLine>>20)
	case lines.Err() != nil:
		return nil, lines.Err()
	case len(c.lines) == 0:
		return nil, errors.New("there are no prompts")
	}
	c.digest = hex.EncodeToString(hash.Sum(nil))
	return c, nil
}

func parsePrompt(src []byte) (corpusLine, error) {
	var raw struct {
		Prompt   *string `json:"prompt"`
		Input    *string `json:"input"`
		Messages []struct {
			Role    string  `json:"role"`
			Content *string `json:"content"`
		} `json:"messages"`
		MaxTokens *int64 `json:"max_tokens"`
	}
	var line corpusLine
	if err := json.Unmarshal(src, &raw); err != nil {
		return line, fmt.Errorf("is no JSON object of a prompt: %w", err)
	}
	given := 0
	if raw.Prompt != nil {
		given++
		line.messages = []Message{{"user", *raw.Prompt}}
	}
	if raw.Input != nil {
		given++
		line.messages, line.embed = []Message{{"user", *raw.Input}}, true
	}
	if raw.Messages != nil {
		given++
		line.messages = nil
	}
	if given != 1 {
		return line, errors.New(`needs one of "prompt", "messages" and "input"`)
	}
	for i, m := range raw.Messages {
		switch {
		case m.Role != "system" && m.Role != "user" && m.Role != "assistant":
			return line, fmt.Errorf("role %q of message %d is none of system, user and assistant", m.Role, i+1)
		case m.Content == nil:
			return line, fmt.Errorf("message %d has no content", i+1)
		}
		line.messages = append(line.messages, Message{m.Role, *m.Content})
	}
	var tokens int64
	for _, m := range line.messages {
		tokens += model.EstimateTokens(len(m.Text))
	}
	if tokens == 0 {
		return line, errors.New("has no text")
	}
	line.tokens = int32(tokens)
	if n := raw.MaxTokens; n != nil {
		if *n < 1 || *n > maxTokens {
			return line, fmt.Errorf("max_tokens is %d; it is 1 to %d", *n, maxTokens)
		}
		line.output = int32(*n)
	}
	return line, nil
}
