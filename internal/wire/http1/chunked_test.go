package http1

import (
	"bytes"
	"errors"
	"io"
	"net/http/httputil"
	"strings"
	"testing"
)

// decodeAll feeds text to a decoder in pieces of a size, and returns the data, what is left behind the body, and whether it
// ended.
func decodeAll(text string, size int) (data, rest string, over bool, err error) {
	var c chunked
	var out []byte
	for i := 0; i < len(text); {
		p := []byte(text[i:min(i+size, len(text))])
		n, used, err := c.decode(p)
		out = append(out, p[:n]...)
		if err != nil {
			return string(out), "", false, err
		}
		i += used
		if c.state == ended {
			return string(out), text[i:], true, nil
		}
	}
	return string(out), "", c.state == ended, nil
}

func TestChunked(t *testing.T) {
	f := func(text, data, rest string, ended bool, want error) {
		t.Helper()
		for size := 1; size <= len(text)+1; size++ {
			got, left, end, err := decodeAll(text, size)
			if got != data || left != rest || end != ended || !errors.Is(err, want) {
				t.Errorf("%q in pieces of %d: data %q, rest %q, ended %v, error %v; want %q, %q, %v, %v",
					text, size, got, left, end, err, data, rest, ended, want)
			}
		}
	}
	f("2\r\nok\r\n0\r\n\r\n", "ok", "", true, nil)
	f("2\r\nok\r\n3\r\nyes\r\n0\r\n\r\n", "okyes", "", true, nil)
	f("a;x=\"y\"\r\n0123456789\r\nA \r\n0123456789\r\n000\r\n\r\n", "01234567890123456789", "", true, nil)
	f("2\r\nok\r\n0\r\nX-Trailer: 1\r\nY: 2\r\n\r\nHTTP/1.1", "ok", "HTTP/1.1", true, nil)
	f("0\r\n\r\nmore", "", "more", true, nil)
	f("2\r\n\r\n\r\n0\r\n\r\n", "\r\n", "", true, nil)
	f("2\r\nok", "ok", "", false, nil)
	f("2\r\nok\r\n0\r\n", "ok", "", false, nil)
	f("x\r\n", "", "", false, errChunkSize)
	f("\r\n", "", "", false, errChunkSize)
	f("-1\r\n", "", "", false, errChunkSize)
	f("0123456789abcdef\r\n", "", "", false, errChunkSize)
	f("2\r\nokay\r\n", "ok", "", false, errChunkEnd)
	f("2\r\nok\n0\r\n\r\n", "ok", "", false, errChunkEnd)
	f("2;"+strings.Repeat("x", maxSizeLine)+"\r\nok", "", "", false, errChunkLimit)
	if _, _, _, err := decodeAll("0\r\n"+strings.Repeat("X: y\r\n", maxTrailer), 1000); !errors.Is(err, errChunkLimit) {
		t.Errorf("endless trailers: %v", err)
	}
}

// FuzzChunked compares with net/http's decoder: what that takes for a body, this does too, however it is cut.
func FuzzChunked(f *testing.F) {
	for _, s := range []string{
		"2\r\nok\r\n0\r\n\r\n", "2\r\nok\r\n3\r\nyes\r\n0\r\n\r\n", "a;x=y\r\n0123456789\r\n0\r\n\r\n", "2\r\nok\r\n0\r\nX: 1\r\n\r\n",
		"2\r\nok", "zz\r\n", "ffffffffffffffff\r\n", "2 \r\nok\r\n0\r\n\r\n", "1\r\na\r\n1\r\nb\r\n0\r\n\r\nrest",
	} {
		f.Add(s, 1)
		f.Add(s, 7)
	}
	f.Fuzz(func(t *testing.T, text string, size int) {
		size = max(1, size&0xff)
		got, _, end, err := decodeAll(text, size)
		whole, _, wholeEnd, wholeErr := decodeAll(text, len(text)+1)
		if got != whole || end != wholeEnd || (err == nil) != (wholeErr == nil) {
			t.Fatalf("pieces of %d: %q %v %v; at once: %q %v %v", size, got, end, err, whole, wholeEnd, wholeErr)
		}
		std, stdErr := io.ReadAll(httputil.NewChunkedReader(strings.NewReader(text)))
		if stdErr == nil && end && string(std) != got {
			t.Fatalf("data %q, net/http has %q", got, std)
		}
		if end && err == nil && stdErr != nil && !errors.Is(stdErr, io.ErrUnexpectedEOF) && !lenient(text) {
			t.Fatalf("taken for a body with data %q; net/http says %v", got, stdErr)
		}
		if !bytes.HasPrefix([]byte(got), std) && stdErr == nil {
			t.Fatalf("data %q, net/http has %q", got, std)
		}
	})
}

// lenient reports whether a text may be refused by net/http alone: it limits extensions in other ways, and wants size lines
// to end in CRLF.
func lenient(text string) bool {
	return strings.ContainsAny(text, ";\t ") || strings.Contains(strings.ReplaceAll(text, "\r\n", ""), "\n") ||
		strings.Contains(strings.ReplaceAll(text, "\r\n", ""), "\r")
}
