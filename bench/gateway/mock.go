//go:build linux

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

const (
	chunkBytes  = 240              // of one event, as a provider sends it, blank line included
	stampMark   = `"content":"t=`  // the digits of the time follow
	stampDigits = 19               // of a non-negative int64
	statsPath   = "/bench/stats"   // answers with the pacer's lateness since the last question
	answerMark  = `"total_tokens"` // stands in each complete answer
	doneMark    = "[DONE]"         // ends each stream
	mockMaxBody = 1 << 20          // of a request
	headerEnd   = "\r\n\r\n"       // between head and body
	streamHead  = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nCache-Control: no-cache\r\nTransfer-Encoding: chunked" + headerEnd
	chunkHead   = `{"id":"chatcmpl-bench0123456789abcdef","object":"chat.completion.chunk","created":1700000000,"model":"mock","choices":[`
)

// mock is a provider that costs next to nothing: HTTP/1.1 by hand, fixed bytes, no JSON. The two numbers that a request
// sets are found by their text: max_tokens is the count of chunks, seed the microseconds between them, both fields that
// a gateway forwards.
type mock struct {
	pace              *pacer
	answer            []byte // complete HTTP response
	role              []byte // head of a streamed response and the role chunk
	finish, withUsage []byte // last events and the end of the body
}

func runMock() error {
	c, err := newClock()
	if err != nil {
		return err
	}
	m, err := newMock(c)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	fmt.Println(l.Addr())
	go func() { // ends with the process: its parent closes stdin, or dies
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	return m.serve(l)
}

func newMock(c clock) (*mock, error) {
	p, err := newPacer(c, newStamped())
	if err != nil {
		return nil, err
	}
	finish := frame(event(chunkHead + `{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}]}`))
	usage := frame(event(chunkHead + `],"usage":{"prompt_tokens":75,"completion_tokens":100,"total_tokens":175}}`))
	end := frame(event(doneMark)) + "0\r\n\r\n"
	body := answerBody()
	return &mock{
		pace:      p,
		answer:    fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d%s%s", len(body), headerEnd, body),
		role:      []byte(streamHead + frame(event(chunkHead+`{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}]}`))),
		finish:    []byte(finish + end),
		withUsage: []byte(finish + usage + end),
	}, nil
}

// serve accepts connections until the listener is closed.
func (m *mock) serve(l net.Listener) error {
	go m.pace.run() // ends when the alarm is closed, or with the process
	for {
		c, err := l.Accept()
		if err != nil {
			return fmt.Errorf("accept: %w", err)
		}
		go m.converse(c.(*net.TCPConn))
	}
}

// converse answers the requests of one connection until it ends; a broken one is the client's to report.
func (m *mock) converse(c *net.TCPConn) {
	defer c.Close()
	br := bufio.NewReaderSize(c, 4096)
	var body []byte
	for {
		path, n, err := readRequest(br)
		if err != nil {
			return
		}
		body = append(body[:0], make([]byte, n)...)
		if _, err := io.ReadFull(br, body); err != nil {
			return
		}
		if err := m.reply(c, path, body); err != nil {
			return
		}
	}
}

func (m *mock) reply(c *net.TCPConn, path string, body []byte) error {
	switch {
	case path == statsPath:
		b, err := json.Marshal(m.pace.takeLag())
		if err != nil {
			return fmt.Errorf("encode stats: %w", err)
		}
		_, err = fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d%s%s", len(b), headerEnd, b)
		return err
	case !bytes.Contains(body, []byte(`"stream":true`)):
		_, err := c.Write(m.answer)
		return err
	}
	if _, err := c.Write(m.role); err != nil {
		return err
	}
	chunks, interval := number(body, `"max_tokens":`), number(body, `"seed":`)
	if chunks > 0 && interval > 0 {
		if err := m.pace.add(c, chunks, time.Duration(interval)*time.Microsecond); err != nil {
			return err
		}
	}
	end := m.finish
	if bytes.Contains(body, []byte(`"include_usage":true`)) {
		end = m.withUsage
	}
	_, err := c.Write(end)
	return err
}

// readRequest reads a request up to its body and returns the path and the body's length.
func readRequest(br *bufio.Reader) (path string, n int, err error) {
	line, err := br.ReadSlice('\n')
	if err != nil {
		return "", 0, err
	}
	f := bytes.Fields(line)
	if len(f) != 3 {
		return "", 0, errors.New("not a request line")
	}
	path = string(f[1])
	for {
		line, err := br.ReadSlice('\n')
		if err != nil {
			return "", 0, err
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			return path, n, nil
		}
		if v, ok := headerValue(line, "content-length"); ok {
			if n, err = strconv.Atoi(string(v)); err != nil || n < 0 || n > mockMaxBody {
				return "", 0, fmt.Errorf("content-length %q", v)
			}
		}
		if _, ok := headerValue(line, "transfer-encoding"); ok {
			return "", 0, errors.New("chunked request")
		}
	}
}

// headerValue returns the value of a header line if it has the name, which is given in lower case.
func headerValue(line []byte, name string) ([]byte, bool) {
	if len(line) <= len(name) || line[len(name)] != ':' || !bytes.EqualFold(line[:len(name)], []byte(name)) {
		return nil, false
	}
	return bytes.TrimSpace(line[len(name)+1:]), true
}

// number returns the decimal number that follows key in b, 0 if there is none.
func number(b []byte, key string) int {
	i := bytes.Index(b, []byte(key))
	if i < 0 {
		return 0
	}
	n := 0
	for _, d := range bytes.TrimLeft(b[i+len(key):], " ") {
		if d < '0' || d > '9' || n > 1e12 {
			break
		}
		n = n*10 + int(d-'0')
	}
	return n
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
	text := strings.Repeat(" word", chunkBytes)[:chunkBytes-len(event(head+zero+tail))]
	buf := []byte(frame(event(head + zero + text + tail)))
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

// stampOf returns the time in a content chunk, or ok false for any other event.
func stampOf(line []byte) (ns int64, ok bool) {
	i := bytes.Index(line, []byte(stampMark))
	if i < 0 || len(line) < i+len(stampMark)+stampDigits {
		return 0, false
	}
	for _, d := range line[i+len(stampMark):][:stampDigits] {
		if d < '0' || d > '9' {
			return 0, false
		}
		ns = ns*10 + int64(d-'0')
	}
	return ns, true
}

func event(data string) string { return "data: " + data + "\n\n" }

// frame wraps b as one chunk of a chunked body.
func frame(b string) string { return fmt.Sprintf("%x\r\n%s\r\n", len(b), b) }

// answerBody is a complete answer of about 1 KB.
func answerBody() string {
	text := strings.Repeat("The quick brown fox jumps over the lazy dog. ", 14)
	return `{"id":"chatcmpl-bench0123456789abcdef","object":"chat.completion","created":1700000000,"model":"mock",` +
		`"choices":[{"index":0,"message":{"role":"assistant","content":"` + text + `","refusal":null,"annotations":[]},` +
		`"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":75,"completion_tokens":140,"total_tokens":215,` +
		`"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":0}},` +
		`"service_tier":"default","system_fingerprint":"fp_bench"}`
}
