//go:build linux

package rig

import (
	"bytes"
	"fmt"
	"strings"
	"time"
)

const (
	chunkBytes  = 240             // of one event, as a provider sends it, blank line included
	stampMark   = `"content":"t=` // the digits of the time follow
	stampDigits = 19              // of a non-negative int64
	afterMark   = "-after-"       // in the model's name: microseconds until the first chunk, or the answer
	everyMark   = "-every-"       // likewise: microseconds between chunks
	tokensMark  = `_tokens":`     // ends the name of the limit on output, whichever of its names is used
	chunkHead   = `{"id":"chatcmpl-bench0123456789abcdef","object":"chat.completion.chunk","created":1700000000,"model":"mock","choices":[`
)

// MockModel is the name of a model that the mock answers in the given time: each chunk of a stream comes that long after
// the one before, an answer that is not streamed that long after its request. Without a duration it answers at once.
func MockModel(after, every time.Duration) string {
	name := "mock"
	if after > 0 {
		name += fmt.Sprintf("%s%d", afterMark, after.Microseconds())
	}
	if every > 0 {
		name += fmt.Sprintf("%s%d", everyMark, every.Microseconds())
	}
	return name
}

// mock is a provider of fixed bytes, without any JSON of its own. The numbers that a request sets are found by their text:
// the limit on output tokens is the count of chunks, times are in the model's name (MockModel). Both are things that a
// gateway forwards.
type mock struct {
	clock        Clock
	pace         *Pacer
	chunk        *stamped // owned by the pacer's acts
	whole        []byte   // complete HTTP answer
	role, finish []byte   // head of a streamed answer and the role chunk; the chunk with the finish reason
}

// NewMock makes a server that is a mock provider.
func NewMock(c Clock) (*Server, error) {
	p, err := NewPacer(c)
	if err != nil {
		return nil, err
	}
	m := &mock{
		clock: c, pace: p, chunk: newStamped(),
		whole:  AppendAnswer(nil, 200, "", []byte(answerBody())),
		role:   AppendEvent([]byte(StreamHead), chunkHead+`{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}]}`),
		finish: AppendEvent(nil, chunkHead+`{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}]}`),
	}
	return &Server{Pace: p, Reply: m.reply}, nil
}

func (m *mock) reply(c *Conn, _ string, body []byte) error {
	now := m.clock.Now()
	after, every := int64(number(body, afterMark))*1000, int64(number(body, everyMark))*1000
	if !bytes.Contains(body, []byte(`"stream":true`)) {
		if after == 0 {
			_, err := c.Write(m.whole)
			return err
		}
		return m.pace.Do(now+after, func(int64) (int64, error) { return 0, c.WriteNow(m.whole) })
	}
	chunks := number(body, tokensMark)
	usage := bytes.Contains(body, []byte(`"include_usage":true`))
	if _, err := c.Write(m.role); err != nil {
		return err
	}
	if after == 0 {
		after = every
	}
	if err := m.stream(c, now+after, every, chunks); err != nil {
		return err
	}
	end := bytes.Clone(m.finish)
	if usage {
		end = AppendEvent(end, fmt.Sprintf(`%s],"usage":{"prompt_tokens":75,"completion_tokens":%d,"total_tokens":%d}}`, chunkHead, chunks, 75+chunks))
	}
	_, err := c.Write(AppendDone(end))
	return err
}

// stream writes the content chunks. It returns when the last has been written.
func (m *mock) stream(c *Conn, due, every int64, chunks int) error {
	if chunks == 0 {
		return nil
	}
	return m.pace.Do(due, func(now int64) (int64, error) {
		err := c.WriteNow(m.chunk.at(now))
		due += every
		if chunks--; chunks == 0 {
			return 0, err
		}
		return due, err
	})
}

// stamped is a content chunk with room for a time.
type stamped struct {
	buf []byte
	pos int // of the first digit
}

func newStamped() *stamped {
	const tail = `"},"logprobs":null,"finish_reason":null}]}`
	head := chunkHead + `{"index":0,"delta":{` + stampMark
	zero := strings.Repeat("0", stampDigits)
	text := strings.Repeat(" word", chunkBytes)[:chunkBytes-len("data: "+head+zero+tail+"\n\n")]
	buf := AppendEvent(nil, head+zero+text+tail)
	return &stamped{buf: buf, pos: bytes.Index(buf, []byte(stampMark)) + len(stampMark)}
}

// at returns the chunk stamped with a time; it is valid until the next call.
func (s *stamped) at(ns int64) []byte {
	for i := s.pos + stampDigits - 1; i >= s.pos; i-- {
		s.buf[i] = byte('0' + ns%10)
		ns /= 10
	}
	return s.buf
}

// StampOf returns the time, by CLOCK_MONOTONIC, at which the mock wrote a content chunk; ok is false for any other event.
func StampOf(data []byte) (ns int64, ok bool) {
	i := bytes.Index(data, []byte(stampMark))
	if i < 0 || len(data) < i+len(stampMark)+stampDigits {
		return 0, false
	}
	for _, d := range data[i+len(stampMark):][:stampDigits] {
		if d < '0' || d > '9' {
			return 0, false
		}
		ns = ns*10 + int64(d-'0')
	}
	return ns, true
}

// answerBody is a complete answer of about 1 KB.
func answerBody() string {
	text := strings.Repeat("The quick brown fox jumps over the lazy dog. ", 14)
	return `{"id":"chatcmpl-bench0123456789abcdef","object":"chat.completion","created":1700000000,"model":"mock",` +
		`"choices":[{"index":0,"message":{"role":"assistant","content":"` + text + `","refusal":null,"annotations":[]},` +
		`"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":75,"completion_tokens":140,"total_tokens":215,` +
		`"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":0}},` +
		`"service_tier":"default","system_fingerprint":"fp_bench"}`
}
