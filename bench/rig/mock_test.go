//go:build linux

package rig

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// startMock serves a mock in this process and returns its address.
func startMock(t *testing.T) string {
	t.Helper()
	c, err := NewClock()
	if err != nil {
		t.Fatal(err)
	}
	m, err := NewMock(c)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		m.Run(l)
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
	})
	return l.Addr().String()
}

// TestMockSpeaksHTTP reads the mock with the standard library's client, which is stricter than ours.
func TestMockSpeaksHTTP(t *testing.T) {
	t.Parallel()
	addr := startMock(t)
	post := func(body string) string {
		t.Helper()
		resp, err := http.Post("http://"+addr+"/v1/chat/completions", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	if got := post(`{"model":"mock"}`); got != answerBody() || len(got) < 900 || len(got) > 1200 || !json.Valid([]byte(got)) {
		t.Errorf("answer has %d bytes: %s", len(got), got)
	}
	for _, asked := range []bool{false, true} {
		events := strings.SplitAfter(post(fmt.Sprintf(
			`{"model":%q,"stream":true,"max_tokens":3,"stream_options":{"include_usage":%t}}`, MockModel(time.Millisecond, 500*time.Microsecond), asked)), "\n\n")
		content := 0
		for _, e := range events {
			if _, ok := StampOf([]byte(e)); ok {
				content++
				if len(e) != chunkBytes {
					t.Errorf("chunk has %d bytes, want %d", len(e), chunkBytes)
				}
			}
		}
		want := 6 // role, 3 chunks, finish, done
		if asked {
			want++
		}
		if content != 3 || len(events) != want+1 || events[want-1] != "data: [DONE]\n\n" {
			t.Errorf("usage asked %t: %d chunks in %d events: %q", asked, content, len(events)-1, events)
		}
		if counted := strings.Contains(strings.Join(events, ""), `"completion_tokens":3,`); counted != asked {
			t.Errorf("usage asked %t, counted %t", asked, counted)
		}
	}
}

// TestMockSpeaksAnthropic checks the form of the mock's other protocol: the order of events, and chunks of the same size.
func TestMockSpeaksAnthropic(t *testing.T) {
	t.Parallel()
	body := fmt.Sprintf(`{"model":%q,"stream":true,"max_tokens":2}`, MockModel(0, 500*time.Microsecond))
	resp, err := http.Post("http://"+startMock(t)+"/v1/messages", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for event := range strings.SplitSeq(strings.TrimSuffix(string(b), "\n\n"), "\n\n") {
		name, data, _ := strings.Cut(strings.TrimPrefix(event, "event: "), "\ndata: ")
		names = append(names, name)
		if !json.Valid([]byte(data)) || !strings.Contains(data, `"type":"`+name+`"`) {
			t.Errorf("event %q has data %s", name, data)
		}
		if n := len(event) + len("\n\n"); name == "content_block_delta" && n != chunkBytes && !strings.Contains(data, opening()) {
			t.Errorf("chunk has %d bytes, want %d", n, chunkBytes)
		}
	}
	const want = "message_start content_block_start content_block_delta content_block_delta content_block_delta content_block_stop message_delta message_stop"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("events %s, want %s", got, want)
	}
}

// TestMockKeepsItsSchedule checks that nothing comes before its time on an absolute schedule, and that the server counts it.
func TestMockKeepsItsSchedule(t *testing.T) {
	t.Parallel()
	addr := startMock(t)
	const chunks, after, every = 20, 5 * time.Millisecond, 2 * time.Millisecond
	clk, err := NewClock()
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	send := func(body string) int64 {
		t.Helper()
		before := clk.Now()
		if _, err := fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body), body); err != nil {
			t.Fatal(err)
		}
		return before
	}
	before := send(fmt.Sprintf(`{"model":%q,"stream":true,"max_completion_tokens":%d}`, MockModel(after, every), chunks))
	answers := bufio.NewReader(c)
	resp, err := http.ReadResponse(answers, nil)
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(resp.Body)
	n := 0
	for lines.Scan() {
		at, ok := StampOf(lines.Bytes())
		if !ok {
			continue
		}
		if early := before + int64(after) + int64(n)*int64(every) - at; early > 0 {
			t.Errorf("chunk %d is %v early", n, time.Duration(early))
		}
		if now := clk.Now(); at > now {
			t.Errorf("chunk %d is stamped %v in the future", n, time.Duration(at-now))
		}
		n++
	}
	if err := lines.Err(); err != nil || n != chunks {
		t.Errorf("%d chunks, want %d; %v", n, chunks, err)
	}
	before = send(fmt.Sprintf(`{"model":%q}`, MockModel(after, 0)))
	resp, err = http.ReadResponse(answers, nil)
	if err != nil {
		t.Fatal(err)
	}
	if took := clk.Now() - before; took < int64(after) || resp.StatusCode != 200 {
		t.Errorf("whole answer: status %d after %v", resp.StatusCode, time.Duration(took))
	}
	resp.Body.Close()
	lag, err := TakeLag(addr)
	if err != nil || lag.N != chunks+1 || lag.Max < lag.P50 {
		t.Errorf("lag %+v, %v; want %d acts", lag, err, chunks+1)
	}
}
