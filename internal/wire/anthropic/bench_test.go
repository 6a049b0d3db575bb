package anthropic

import (
	"fmt"
	"strings"
	"testing"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// BenchmarkChunk measures one text delta: forwarded, read, and written.
func BenchmarkChunk(b *testing.B) {
	data := []byte(`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" a token"}}`)
	raw := wire.AppendEvent(nil, blockDelta, data)
	ev := wire.Event{Name: []byte(blockDelta), Raw: raw, At: strings.Index(string(raw), "{"), Data: data}
	b.Run("forward", func(b *testing.B) {
		var s Stream
		s.Reset(wire.FollowOptions{})
		b.ReportAllocs()
		for b.Loop() {
			one := ev
			s.Observe(&one)
		}
	})
	b.Run("read", func(b *testing.B) {
		r := NewReader()
		all, _ := r.Read(nil, nil, []byte(textStart))
		b.ReportAllocs()
		for b.Loop() {
			all, _ = r.Read(all[:0], ev.Name, data)
		}
	})
	b.Run("write", func(b *testing.B) {
		w := NewWriter(&llm.Head{ID: "1"})
		out := w.Write(nil, &llm.Event{Kind: llm.EventPart, Part: llm.PartText})
		e := llm.Event{Kind: llm.EventDelta, Part: llm.PartText, Text: []byte(" a token")}
		b.ReportAllocs()
		for b.Loop() {
			out = w.Write(out[:0], &e)
		}
	})
}

// BenchmarkPieces compares a forwarded delta without and with its pieces.
func BenchmarkPieces(b *testing.B) {
	data := []byte(`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" a token"}}`)
	raw := wire.AppendEvent(nil, blockDelta, data)
	ev := wire.Event{Name: []byte(blockDelta), Raw: raw, At: strings.Index(string(raw), "{"), Data: data}
	for _, pieces := range []bool{false, true} {
		b.Run(fmt.Sprintf("pieces=%t", pieces), func(b *testing.B) {
			var s Stream
			s.Reset(wire.FollowOptions{Pieces: pieces})
			follow(b, &s, strings.NewReader(stream(startEvent, textStart)))
			b.ReportAllocs()
			for b.Loop() {
				one := ev
				s.Observe(&one)
			}
		})
	}
}
