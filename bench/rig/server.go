//go:build linux

package rig

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"syscall"
	"time"
)

const (
	maxBody   = 1 << 20      // of a request
	headerEnd = "\r\n\r\n"   // between head and body
	doneMark  = "[DONE]"     // ends each stream
	lastChunk = "0\r\n\r\n"  // ends a chunked body
	statsPath = "/rig/stats" // answers with the pacer's lateness since the last question

	// StreamHead begins a streamed answer. Events and the end of the body are appended to it.
	StreamHead = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nCache-Control: no-cache\r\nTransfer-Encoding: chunked" + headerEnd
)

// Server is an HTTP/1.1 server that costs next to nothing: written by hand, each connection one goroutine that reads
// requests one after the other, answers paced by one goroutine for all.
type Server struct {
	Pace *Pacer
	// Reply answers one request, by writing to c or by giving the pacer acts that do. An error ends the connection. The
	// body is valid during the call.
	Reply func(c *Conn, path string, body []byte) error
}

// Conn is a client's connection.
type Conn struct {
	*net.TCPConn
	raw syscall.RawConn
}

// errNotReading ends an answer whose reader is thousands of chunks behind.
var errNotReading = errors.New("peer does not read")

// Run accepts connections until the listener is closed, and then ends the pacer. It returns the listener's error. What
// is left of a connection ends when its client closes it.
func (s *Server) Run(l net.Listener) error {
	paced := make(chan struct{})
	go func() {
		defer close(paced)
		_ = s.Pace.run() // its error is that of the closed alarm
	}()
	defer func() {
		s.Pace.alarm.Close()
		<-paced
	}()
	for {
		c, err := l.Accept()
		if err != nil {
			return fmt.Errorf("accept: %w", err)
		}
		tcp := c.(*net.TCPConn)
		raw, err := tcp.SyscallConn()
		if err != nil {
			return fmt.Errorf("accept: %w", err)
		}
		go s.converse(&Conn{TCPConn: tcp, raw: raw})
	}
}

// RunChild serves as a child process: it writes the address to stdout and ends when stdin does.
func (s *Server) RunChild() error {
	if _, err := RaiseFiles(); err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	fmt.Println(l.Addr())
	ExitWithParent()
	return s.Run(l)
}

// TakeLag asks the server at an address how late it was since it was last asked.
func TakeLag(addr string) (Quantiles, error) {
	var q Quantiles
	if err := Get(addr, statsPath, &q); err != nil {
		return q, fmt.Errorf("ask server for its lateness: %w", err)
	}
	return q, nil
}

// Get reads JSON from a path of a server.
func Get(addr, path string, v any) error {
	c := http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := c.Get("http://" + addr + path)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("get %s: status %d", path, resp.StatusCode)
	}
	if err := json.NewDecoder(resp.Body).Decode(v); err != nil {
		return fmt.Errorf("decode answer to %s: %w", path, err)
	}
	return nil
}

// ExitWithParent ends this process when its stdin is closed: its parent has done so, or has died.
func ExitWithParent() {
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
}

// converse answers the requests of one connection until it ends; a broken one is the client's to report.
func (s *Server) converse(c *Conn) {
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
		if path == statsPath {
			err = c.Answer(s.Pace.TakeLag())
		} else {
			err = s.Reply(c, path, body)
		}
		if err != nil {
			return
		}
	}
}

// WriteNow writes b without waiting for room in the socket's buffer.
func (c *Conn) WriteNow(b []byte) error {
	var n int
	var werr error
	err := c.raw.Write(func(fd uintptr) bool {
		n, werr = syscall.Write(int(fd), b)
		return true
	})
	switch {
	case err != nil:
		return err
	case errors.Is(werr, syscall.EAGAIN) || werr == nil && n < len(b):
		return errNotReading
	default:
		return werr
	}
}

// Answer writes v as an answer in JSON.
func (c *Conn) Answer(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	_, err = c.Write(AppendAnswer(nil, 200, "", b))
	return err
}

// AppendAnswer appends a whole answer with a body in JSON. Headers are lines that end with CR LF.
func AppendAnswer(dst []byte, status int, headers string, body []byte) []byte {
	dst = fmt.Appendf(dst, "HTTP/1.1 %d Answer\r\n%sContent-Type: application/json\r\nContent-Length: %d%s", status, headers, len(body), headerEnd)
	return append(dst, body...)
}

// AppendEvent appends an event of a stream, as one frame of a chunked body.
func AppendEvent(dst []byte, data string) []byte {
	return appendFrame(dst, "data: "+data+"\n\n")
}

// appendFrame appends one frame of a chunked body.
func appendFrame(dst []byte, text string) []byte {
	return fmt.Appendf(dst, "%x\r\n%s\r\n", len(text), text)
}

// AppendDone appends the last event of a stream and the end of its body.
func AppendDone(dst []byte) []byte { return append(AppendEvent(dst, doneMark), lastChunk...) }

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
			if n, err = strconv.Atoi(string(v)); err != nil || n < 0 || n > maxBody {
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
