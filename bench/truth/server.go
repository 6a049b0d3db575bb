//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"

	"sluice/bench/rig"
)

const logPath = "/truth/log" // answers with all entries and starts over

// errCut ends a connection in the middle of a stream, as the plan wants it.
var errCut = errors.New("stream cut by plan")

// truthServer answers by a plan and keeps a log of what it wrote when.
type truthServer struct {
	clock rig.Clock
	pace  *rig.Pacer
	plan  plan

	mu      sync.Mutex
	next    int64 // number of the next request
	entries []*entry
}

func runServer(p plan) error {
	c, err := rig.NewClock()
	if err != nil {
		return err
	}
	s, err := newTruthServer(c, p)
	if err != nil {
		return err
	}
	return s.RunChild()
}

func newTruthServer(c rig.Clock, p plan) (*rig.Server, error) {
	pace, err := rig.NewPacer(c)
	if err != nil {
		return nil, err
	}
	t := &truthServer{clock: c, pace: pace, plan: p}
	return &rig.Server{Pace: pace, Reply: t.reply}, nil
}

// takeEntries asks a truth server for its log, which starts over.
func takeEntries(addr string) ([]*entry, error) {
	var all []*entry
	if err := rig.Get(addr, logPath, &all); err != nil {
		return nil, fmt.Errorf("read log of truth server: %w", err)
	}
	return all, nil
}

func (t *truthServer) reply(c *rig.Conn, path string, body []byte) error {
	now := t.clock.Now()
	if path == logPath {
		return c.Answer(t.takeLog())
	}
	t.mu.Lock()
	e := &entry{N: t.next, Received: now}
	t.next++
	t.mu.Unlock()
	s := t.plan.script(e.N)
	e.Status = s.Status
	if s.Status == 200 && bytes.Contains(body, []byte(`"stream":true`)) {
		return t.stream(c, e, &s)
	}
	return t.whole(c, e, &s)
}

// takeLog returns the entries of all requests so far and forgets them. Numbers start over, so that the next run gets the
// same answers.
func (t *truthServer) takeLog() []*entry {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := t.entries
	t.entries, t.next = nil, 0
	return all
}

// keep adds an entry to the log. It is called before the answer's last bytes are written, so that a client that has them
// finds the entry.
func (t *truthServer) keep(e *entry) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.entries = append(t.entries, e)
}

// whole answers a request that is not streamed, or refuses it.
func (t *truthServer) whole(c *rig.Conn, e *entry, s *script) error {
	tokens, reasoning := s.tokens()
	body := fmt.Sprintf(`{"id":%q,"object":"chat.completion","created":1700000000,"model":"truth","choices":[{"index":0,`+
		`"message":{"role":"assistant","content":%q},"finish_reason":"stop"}],%s}`, requestID(e.N), strings.Repeat(" word", int(tokens)), usageText(tokens, reasoning))
	if s.Status != 200 {
		tokens, reasoning = 0, 0
		body = `{"error":{"message":"refused by plan","type":"test","code":null,"param":null}}`
	}
	b := rig.AppendAnswer(nil, s.Status, "X-Request-Id: "+requestID(e.N)+"\r\n", []byte(body))
	return t.pace.Do(e.Received+int64(s.First), func(now int64) (int64, error) {
		e.End = now
		if e.Complete = s.Status == 200; e.Complete {
			e.First, e.FirstText, e.Last, e.Tokens, e.Reasoning = now, now, now, tokens, reasoning
			e.Emitted = []emission{{now, tokens}}
		}
		t.keep(e)
		return 0, c.WriteNow(b)
	})
}

// stream writes the chunk with the role at once, and each event with content when it is due.
func (t *truthServer) stream(c *rig.Conn, e *entry, s *script) error {
	head := strings.Replace(rig.StreamHead, "\r\n", "\r\nX-Request-Id: "+requestID(e.N)+"\r\n", 1)
	if _, err := c.Write(rig.AppendEvent([]byte(head), chunkText(requestID(e.N), `{"role":"assistant","content":""}`, ""))); err != nil {
		return err
	}
	due, i := e.Received+int64(s.First), 0
	return t.pace.Do(due, func(now int64) (int64, error) {
		p := &s.Events[i]
		e.note(now, p)
		if err := c.WriteNow(rig.AppendEvent(nil, contentText(requestID(e.N), p))); err != nil {
			t.keep(e)
			return 0, err
		}
		if i++; i < len(s.Events) {
			due += int64(s.Events[i].Gap)
			return due, nil
		}
		e.End, e.Complete = t.clock.Now(), !s.Cut
		t.keep(e)
		if s.Cut {
			return 0, errCut
		}
		end := rig.AppendEvent(nil, chunkText(requestID(e.N), `{}`, `"stop"`))
		end = rig.AppendEvent(end, fmt.Sprintf(`{"id":%q,"object":"chat.completion.chunk","created":1700000000,"model":"truth","choices":[],%s}`,
			requestID(e.N), usageText(e.Tokens, e.Reasoning)))
		return 0, c.WriteNow(rig.AppendDone(end))
	})
}

// note enters an event with content that is about to be written.
func (e *entry) note(now int64, p *piece) {
	if e.First == 0 {
		e.First = now
	}
	if e.FirstText == 0 && !p.Reasoning {
		e.FirstText = now
	}
	e.Last = now
	e.Tokens += int64(p.Tokens)
	if p.Reasoning {
		e.Reasoning += int64(p.Tokens)
	}
	e.Emitted = append(e.Emitted, emission{now, int64(p.Tokens)})
}

func contentText(id string, p *piece) string {
	field := "content"
	if p.Reasoning {
		field = "reasoning_content"
	}
	return chunkText(id, fmt.Sprintf(`{%q:%q}`, field, strings.Repeat(" word", p.Tokens)), "")
}

// chunkText is the JSON of a chunk with a delta and a finish reason, "" for none.
func chunkText(id, delta, finish string) string {
	if finish == "" {
		finish = "null"
	}
	return fmt.Sprintf(`{"id":%q,"object":"chat.completion.chunk","created":1700000000,"model":"truth","choices":[{"index":0,"delta":%s,"finish_reason":%s}]}`,
		id, delta, finish)
}

func usageText(tokens, reasoning int64) string {
	return fmt.Sprintf(`"usage":{"prompt_tokens":64,"completion_tokens":%d,"total_tokens":%d,"completion_tokens_details":{"reasoning_tokens":%d}}`,
		tokens, 64+tokens, reasoning)
}
