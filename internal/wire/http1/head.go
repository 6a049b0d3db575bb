package http1

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// heads holds buffers for headers.
var heads = sync.Pool{New: func() any { b := make([]byte, 0, 2<<10); return &b }}

// putHead gives a buffer back, unless it has grown large.
func putHead(p *[]byte, b []byte) {
	if cap(b) <= 2*joinBody {
		*p = b[:0]
		heads.Put(p)
	}
}

// appendHead appends the request line and the headers. What would let a value end its line early is refused.
func appendHead(dst []byte, rq *http.Request, length int) ([]byte, error) {
	target, host := rq.URL.RequestURI(), rq.Host
	if host == "" {
		host = rq.URL.Host
	}
	if bad(rq.Method) || bad(target) || bad(host) || strings.ContainsAny(target, " \t") {
		return dst, fmt.Errorf("write request: method, path or host has a byte that cannot be sent")
	}
	dst = append(append(dst, rq.Method...), ' ')
	dst = append(append(dst, target...), " HTTP/1.1\r\nHost: "...)
	dst = append(append(dst, host...), "\r\n"...)
	for name, values := range rq.Header {
		for _, v := range values {
			if bad(name) || bad(v) || strings.ContainsRune(name, ':') {
				return dst, fmt.Errorf("write request: header %q has a byte that cannot be sent", name)
			}
			dst = append(append(dst, name...), ": "...)
			dst = append(append(dst, v...), "\r\n"...)
		}
	}
	if length > 0 || rq.Method == http.MethodPost || rq.Method == http.MethodPut {
		dst = append(dst, "Content-Length: "...)
		dst = append(strconv.AppendInt(dst, int64(length), 10), "\r\n"...)
	}
	return append(dst, "\r\n"...), nil
}

// bad reports whether s has a control character, a tab apart: such a byte could start a line of its own.
func bad(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			return true
		}
	}
	return false
}
