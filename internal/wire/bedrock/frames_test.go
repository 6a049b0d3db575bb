package bedrock_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"sluice/internal/wire"
	"sluice/internal/wire/bedrock"
)

type frame struct{ Name, Data string }

// readFrames reads all events of a stream.
func readFrames(f *bedrock.Frames, src io.Reader) (all []frame, err error) {
	for {
		_, readErr := f.Fill(src)
		for {
			ev, ok, err := f.Next()
			if err != nil {
				return all, err
			}
			if !ok {
				break
			}
			all = append(all, frame{string(ev.Name), string(ev.Data)})
		}
		if readErr != nil {
			if ev, ok := f.Last(); ok {
				all = append(all, frame{string(ev.Name), "last: " + string(ev.Data)})
			}
			if errors.Is(readErr, io.EOF) {
				readErr = nil
			}
			return all, readErr
		}
	}
}

func TestFramesRoundTrip(t *testing.T) {
	t.Parallel()
	long := `{"text":"` + strings.Repeat("x", 100_000) + `"}`
	var b []byte
	b = bedrock.AppendFrame(b, "messageStart", []byte(`{"role":"assistant"}`))
	b = bedrock.AppendFrame(b, "contentBlockDelta", []byte(long))
	b = bedrock.AppendFrame(b, "empty", nil)
	b = bedrock.AppendException(b, "throttlingException", []byte(`{"message":"slow down"}`))
	want := []frame{{"messageStart", `{"role":"assistant"}`}, {"contentBlockDelta", long}, {"empty", ""}, {"throttlingException", `{"message":"slow down"}`}}
	for name, src := range map[string]io.Reader{
		"whole": bytes.NewReader(b), "half": iotest.HalfReader(bytes.NewReader(b)), "byte": iotest.OneByteReader(bytes.NewReader(b)),
	} {
		var f bedrock.Frames
		got, err := readFrames(&f, src)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

func TestFramesOfClaude(t *testing.T) {
	t.Parallel()
	var b []byte
	b = bedrock.AppendChunk(b, []byte(`{"type":"message_start","message":{}}`))
	b = bedrock.AppendFrame(b, "chunk", []byte(`{"p":"abc","bytes":"eyJ0eXBlIjoicGluZyJ9"}`))
	b = bedrock.AppendFrame(b, "chunk", []byte(`{"p":"nothing in it"}`))
	b = bedrock.AppendFrame(b, "chunk", []byte(`{"bytes":"not base64!"}`))
	b = bedrock.AppendException(b, "throttlingException", []byte(`{"message":"slow \"down\""}`))
	f := bedrock.Frames{Anthropic: true}
	got, err := readFrames(&f, bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	want := []frame{
		{"message_start", `{"type":"message_start","message":{}}`},
		{"ping", `{"type":"ping"}`},
		{"error", `{"type":"error","error":{"type":"rate_limit_error","message":"throttlingException: slow \"down\""}}`},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// raw makes a frame of any headers.
func raw(headers, payload []byte) []byte {
	b := make([]byte, 12)
	b = append(append(b, headers...), payload...)
	binary.BigEndian.PutUint32(b, uint32(len(b)+4))
	binary.BigEndian.PutUint32(b[4:], uint32(len(headers)))
	binary.BigEndian.PutUint32(b[8:], crc32.ChecksumIEEE(b[:8]))
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
}

func text(name, value string) []byte {
	b := append([]byte{byte(len(name))}, name...)
	b = append(b, 7)
	b = binary.BigEndian.AppendUint16(b, uint16(len(value)))
	return append(b, value...)
}

func TestFramesOtherHeaders(t *testing.T) {
	t.Parallel()
	h := append([]byte("\x01a\x00\x01b\x01\x01c\x02x\x01d\x03xx\x01e\x04xxxx\x01f\x05xxxxxxxx\x01g\x06\x00\x02xx\x01h\x08xxxxxxxx\x01i\x09xxxxxxxxxxxxxxxx"),
		text(":event-type", "metadata")...)
	b := raw(h, []byte("{}"))
	b = append(b, raw(append(text(":message-type", "error"), append(text(":error-code", "Internal"), text(":error-message", `say "no"`)...)...), nil)...)
	var f bedrock.Frames
	got, err := readFrames(&f, bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]frame{{"metadata", "{}"}, {"error", `{"code":"Internal","message":"say \"no\""}`}}, got); d != "" {
		t.Error(d)
	}
}

func TestFramesRefuseWhatIsBroken(t *testing.T) {
	t.Parallel()
	good := bedrock.AppendFrame(nil, "messageStart", []byte(`{"role":"assistant"}`))
	flip := func(i int) []byte {
		b := bytes.Clone(good)
		b[i] ^= 1
		return b
	}
	f := func(name string, b []byte, want string) {
		t.Helper()
		var r bedrock.Frames
		r.Reset(1 << 20)
		_, err := readFrames(&r, bytes.NewReader(b))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
		if _, _, again := r.Next(); again == nil {
			t.Errorf("%s: the error does not stay", name)
		}
	}
	f("prelude", flip(3), "the prelude has checksum")
	f("payload", flip(len(good)-8), "a frame has checksum")
	f("header", flip(20), "a frame has checksum")
	f("type", raw([]byte("\x01a\x0a"), nil), "of no known type")
	f("short value", raw([]byte("\x01a\x07\x00\x09x"), nil), "cut short")
	f("no name", raw([]byte{0, 0, 0}, nil), "has no name")
	var tiny [12]byte
	binary.BigEndian.PutUint32(tiny[:], 15)
	binary.BigEndian.PutUint32(tiny[8:], crc32.ChecksumIEEE(tiny[:8]))
	f("too small", tiny[:], "a frame of 15 bytes cannot have")
	binary.BigEndian.PutUint32(tiny[:], 2<<20)
	binary.BigEndian.PutUint32(tiny[8:], crc32.ChecksumIEEE(tiny[:8]))
	f("too large", tiny[:], "AWS event-stream frame is over the limit of 1048576 bytes")
	f("headers", raw(bytes.Repeat(text("x", strings.Repeat("y", 30_000)), 5), nil), "headers of an AWS event-stream frame is over the limit of 131072 bytes")
}

func TestFramesCut(t *testing.T) {
	t.Parallel()
	good := bedrock.AppendFrame(nil, "messageStart", []byte(`{}`))
	var r bedrock.Frames
	got, err := readFrames(&r, bytes.NewReader(append(bytes.Clone(good), good[:len(good)-1]...)))
	if err != nil || len(got) != 1 {
		t.Errorf("%v %v, want the one frame that is whole", got, err)
	}
}

func TestFramesAllocateNothing(t *testing.T) {
	one := bedrock.AppendChunk(nil, []byte(`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"hello"}}`))
	for _, anthropic := range []bool{false, true} {
		f := bedrock.Frames{Anthropic: anthropic}
		src := bytes.NewReader(one)
		got := testing.AllocsPerRun(100, func() {
			src.Reset(one)
			if _, err := f.Fill(src); err != nil {
				t.Fatal(err)
			}
			if _, ok, err := f.Next(); !ok || err != nil {
				t.Fatal(ok, err)
			}
		})
		if got != 0 {
			t.Errorf("anthropic %v: %v allocations a frame, want none", anthropic, got)
		}
	}
}

func FuzzFrames(f *testing.F) {
	f.Add(bedrock.AppendFrame(nil, "messageStart", []byte(`{"role":"assistant"}`)), 7, true)
	f.Add(bedrock.AppendChunk(bedrock.AppendException(nil, "x", nil), []byte(`{"type":"ping"}`)), 1, false)
	f.Add(raw(text(":message-type", "error"), nil), 100, true)
	f.Fuzz(func(t *testing.T, b []byte, step int, anthropic bool) {
		whole, split := bedrock.Frames{Anthropic: anthropic}, bedrock.Frames{Anthropic: anthropic}
		whole.Reset(1 << 16)
		split.Reset(1 << 16)
		want, wantErr := readFrames(&whole, bytes.NewReader(b))
		got, gotErr := readFrames(&split, &steps{b, max(1, step&0xff)})
		if d := cmp.Diff(want, got); d != "" || (wantErr == nil) != (gotErr == nil) {
			t.Errorf("split into reads: %v, %v: %s", wantErr, gotErr, d)
		}
		var limit *wire.LimitError
		var broken *bedrock.FrameError
		if wantErr != nil && !errors.As(wantErr, &limit) && !errors.As(wantErr, &broken) {
			t.Errorf("error %v of no known type", wantErr)
		}
	})
}

// steps reads a few bytes at a time.
type steps struct {
	b    []byte
	step int
}

func (s *steps) Read(p []byte) (int, error) {
	if len(s.b) == 0 {
		return 0, io.EOF
	}
	n := copy(p, s.b[:min(len(s.b), s.step)])
	s.b = s.b[n:]
	return n, nil
}
