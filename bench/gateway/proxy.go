//go:build linux

package main

import (
	"fmt"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"

	"sluice/bench/rig"
)

// runProxy is the yardstick: the standard library's reverse proxy as one would set it up with care, and nothing else.
func runProxy(upstream string) error {
	h, err := newProxy(upstream)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	fmt.Println(l.Addr())
	rig.ExitWithParent()
	return http.Serve(l, h)
}

func newProxy(upstream string) (http.Handler, error) {
	to, err := url.Parse(upstream)
	if err != nil {
		return nil, fmt.Errorf("parse upstream: %w", err)
	}
	p := &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(to) },
		FlushInterval: -1, // after each write, as a stream needs it
		Transport:     &http.Transport{MaxIdleConnsPerHost: 16384, DisableCompression: true},
		ErrorLog:      log.New(os.Stderr, "", log.LstdFlags),
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Without full duplex the server closes the request's body when the answer starts, and the transport, still
		// about to read its end, kills the stream (golang/go#40747): 1 to 2 % of streams under load.
		if err := http.NewResponseController(w).EnableFullDuplex(); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		p.ServeHTTP(w, r)
	}), nil
}
