//go:build linux

package rig

import (
	"bytes"
	"fmt"
	"strings"
	"time"
)

const (
	chunkBytes  = 240                 // of one event, as a provider sends it, blank line included
	stampMark   = `"obfuscation":"t=` // the digits of the time follow, in what OpenAI pads its chunks with
	textMark    = `"text":"t=`        // likewise, in Anthropic's text
	contentMark = `"content":"t=`     // where that stands when it has been translated
	wordMark    = "WORD"              // in place of a chunk's text
	stampDigits = 19                  // of a non-negative int64
	afterMark   = "-after-"           // in the model's name: microseconds until the first chunk, or the answer
	everyMark   = "-every-"           // likewise: microseconds between chunks
	tokensMark  = `_tokens":`         // ends the name of the limit on output, whichever of its names is used
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
	clock     Clock
	pace      *Pacer
	openai    *form
	anthropic *form
}

// form is one dialect's answers.
type form struct {
	chunk *stamped // owned by the pacer's acts
	whole []byte   // complete HTTP answer
	begin []byte   // head of a streamed answer and what comes before its first content
	end   func(chunks int, usage bool) []byte
}

// openaiForm returns OpenAI's chat completions.
func openaiForm() *form {
	finish := AppendEvent(nil, chunkHead+`{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}]}`)
	return &form{
		chunk: newStamped("data: "+chunkHead+`{"index":0,"delta":{"content":"`+wordMark+`"},"finish_reason":null}],`, stampMark, `"}`),
		whole: AppendAnswer(nil, 200, "", []byte(answerBody())),
		begin: AppendEvent([]byte(StreamHead), chunkHead+`{"index":0,"delta":{"role":"assistant","content":"`+opening()+`"},"logprobs":null,"finish_reason":null}]}`),
		end: func(chunks int, usage bool) []byte {
			end := bytes.Clone(finish)
			if usage {
				end = AppendEvent(end, fmt.Sprintf(`%s],"usage":{"prompt_tokens":75,"completion_tokens":%d,"total_tokens":%d}}`, chunkHead, chunks, 75+chunks))
			}
			return AppendDone(end)
		},
	}
}

// opening is what each stream has said before its chunks come: more than a gateway's guard lets pass without a look, so that what is measured is
// the cost in the middle of an answer.
func opening() string {
	return "Every lock on the river has a keeper, and each of them keeps a book. In it stand the boats that came by day, how much water they drew, and what the weather did. " +
		"Old books tell of winters when ice held the gates for weeks; of a spring in which the lower meadow was a lake, with swans between the apple trees; of a summer so dry " +
		"that children walked across where barges used to turn. Nobody reads them now but a teacher from the village, who copies a page each Sunday and asks her pupils on Monday " +
		"what has changed since. They answer that engines came, that grain goes by rail, and that herons have grown bolder. She writes this down too, under the date, and signs."
}

// anthropicForm returns Anthropic's Messages, with chunks of the same size.
func anthropicForm() *form {
	const usage = `"usage":{"input_tokens":75,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":`
	const head = `{"id":"msg_bench0123456789abcdef","type":"message","role":"assistant","model":"mock","content":[`
	named := func(dst []byte, name, data string) []byte {
		return appendFrame(dst, "event: "+name+"\ndata: "+data+"\n\n")
	}
	begin := named([]byte(StreamHead), "message_start", `{"type":"message_start","message":`+head+`],"stop_reason":null,"stop_sequence":null,`+usage+`1}}}`)
	begin = named(begin, "content_block_start", `{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`)
	begin = named(begin, "content_block_delta", `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"`+opening()+`"}}`)
	text := strings.Repeat("The quick brown fox jumps over the lazy dog. ", 14)
	return &form{
		chunk: newStamped("event: content_block_delta\ndata: "+`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta",`, textMark, `"}}`),
		whole: AppendAnswer(nil, 200, "", []byte(head+`{"type":"text","text":"`+text+`"}],"stop_reason":"end_turn","stop_sequence":null,`+usage+`140}}`)),
		begin: begin,
		end: func(chunks int, _ bool) []byte {
			end := named(nil, "content_block_stop", `{"type":"content_block_stop","index":0}`)
			end = named(end, "message_delta", fmt.Sprintf(`{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},%s%d}}`, usage, chunks))
			return append(named(end, "message_stop", `{"type":"message_stop"}`), lastChunk...)
		},
	}
}

// NewMock makes a server that is a mock provider.
func NewMock(c Clock) (*Server, error) {
	p, err := NewPacer(c)
	if err != nil {
		return nil, err
	}
	m := &mock{clock: c, pace: p, openai: openaiForm(), anthropic: anthropicForm()}
	return &Server{Pace: p, Reply: m.reply}, nil
}

func (m *mock) reply(c *Conn, path string, body []byte) error {
	now := m.clock.Now()
	f := m.openai
	if strings.HasSuffix(path, "/messages") {
		f = m.anthropic
	}
	after, every := int64(number(body, afterMark))*1000, int64(number(body, everyMark))*1000
	if !bytes.Contains(body, []byte(`"stream":true`)) {
		if after == 0 {
			_, err := c.Write(f.whole)
			return err
		}
		return m.pace.Do(now+after, func(int64) (int64, error) { return 0, c.WriteNow(f.whole) })
	}
	chunks := number(body, tokensMark)
	usage := bytes.Contains(body, []byte(`"include_usage":true`))
	if _, err := c.Write(f.begin); err != nil {
		return err
	}
	if after == 0 {
		after = every
	}
	if err := m.stream(c, f.chunk, now+after, every, chunks); err != nil {
		return err
	}
	_, err := c.Write(f.end(chunks, usage))
	return err
}

// stream writes the content chunks. It returns when the last has been written.
func (m *mock) stream(c *Conn, chunk *stamped, due, every int64, chunks int) error {
	if chunks == 0 {
		return nil
	}
	return m.pace.Do(due, func(now int64) (int64, error) {
		err := c.WriteNow(chunk.at(now))
		due += every
		if chunks--; chunks == 0 {
			return 0, err
		}
		return due, err
	})
}

// stamped is a content chunk with room for a time. It takes turns between several texts, since a gateway may stop an answer that says
// the same again and again.
type stamped struct {
	mark string
	bufs [][]byte
	next int
}

// texts is how many texts a chunk takes turns between: together they are longer than what a guard looks back.
const texts = 97

// newStamped makes a chunk of chunkBytes with head and tail around the time, which comes after mark, and what fills it up. The text is a word
// in the head, as a provider's chunk has, or, if the head has no place for it, what fills the chunk up.
func newStamped(head, mark, tail string) *stamped {
	words := strings.Fields("river lock gate valley mill boat water quiet slow below every carry lower stone bridge winter harbour tide reed heron")
	seed := uint32(1)
	word := func() string {
		seed = seed*1664525 + 1013904223 // Numerical Recipes' generator: any order of words will do
		return " " + words[int(seed>>16)%len(words)]
	}
	s := &stamped{mark: mark}
	for range texts {
		front := strings.Replace(head, wordMark, word(), 1) + mark + strings.Repeat("0", stampDigits)
		room, fill := chunkBytes-len(front+tail+"\n\n"), ""
		for len(fill) < room {
			if front[:len(head)] == head {
				fill += word()
			} else {
				fill += "x"
			}
		}
		s.bufs = append(s.bufs, appendFrame(nil, front+fill[:room]+tail+"\n\n"))
	}
	return s
}

// at returns the chunk stamped with a time; it is valid until it has its turn again.
func (s *stamped) at(ns int64) []byte {
	buf := s.bufs[s.next]
	s.next = (s.next + 1) % len(s.bufs)
	pos := bytes.Index(buf, []byte(s.mark)) + len(s.mark)
	for i := pos + stampDigits - 1; i >= pos; i-- {
		buf[i] = byte('0' + ns%10)
		ns /= 10
	}
	return buf
}

// StampOf returns the time, by CLOCK_MONOTONIC, at which the mock wrote a content chunk; ok is false for any other event.
func StampOf(data []byte) (ns int64, ok bool) {
	i := bytes.Index(data, []byte(stampMark)) + len(stampMark)
	if i < len(stampMark) {
		if i = bytes.Index(data, []byte(contentMark)) + len(contentMark); i < len(contentMark) {
			return 0, false
		}
	}
	if len(data) < i+stampDigits {
		return 0, false
	}
	for _, d := range data[i:][:stampDigits] {
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
