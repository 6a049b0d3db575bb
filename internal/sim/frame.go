package sim

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
)

// frameType is the media type of Amazon's binary event stream.
const frameType = "application/vnd.amazon.eventstream"

// header is one header of a frame, a string.
type header struct{ name, value string }

func eventHeaders(name string) []header {
	return []header{{":event-type", name}, {":content-type", "application/json"}, {":message-type", "event"}}
}

func exceptionHeaders(name string) []header {
	return []header{{":exception-type", name}, {":content-type", "application/json"}, {":message-type", "exception"}}
}

// appendFrame appends one message of the event stream: lengths of all and of the headers, their checksum, the headers, the
// payload, and the checksum of all, big-endian (https://docs.aws.amazon.com/AmazonS3/latest/API/RESTSelectObjectAppendix.html,
// read 2026-11).
func appendFrame(dst []byte, headers []header, payload []byte) []byte {
	const overhead, stringType = 16, 7
	var head []byte
	for _, h := range headers {
		head = append(append(head, byte(len(h.name))), h.name...)
		head = binary.BigEndian.AppendUint16(append(head, stringType), uint16(len(h.value)))
		head = append(head, h.value...)
	}
	start := len(dst)
	dst = binary.BigEndian.AppendUint32(dst, uint32(overhead+len(head)+len(payload)))
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(head)))
	dst = binary.BigEndian.AppendUint32(dst, crc32.ChecksumIEEE(dst[start:]))
	dst = append(append(dst, head...), payload...)
	return binary.BigEndian.AppendUint32(dst, crc32.ChecksumIEEE(dst[start:]))
}

// lastFrame returns where the last of some frames begins.
func lastFrame(frames []byte) (last int) {
	for at := 0; at+4 <= len(frames); {
		last = at
		at += int(binary.BigEndian.Uint32(frames[at:]))
	}
	return last
}

// framer puts the events of Anthropic's protocol into frames, as Bedrock streams them.
type framer struct {
	payload []byte
}

// wrap adds a frame for each event of an SSE text.
func (f *framer) wrap(dst, sse []byte) []byte {
	for line := range bytes.Lines(sse) {
		if data, ok := bytes.CutPrefix(line, []byte("data: ")); ok {
			dst = f.chunk(dst, bytes.TrimRight(data, "\r\n"))
		}
	}
	return dst
}

// chunk adds the frame of one event.
func (f *framer) chunk(dst, data []byte) []byte {
	f.payload = append(f.payload[:0], `{"bytes":"`...)
	f.payload = base64.StdEncoding.AppendEncode(f.payload, data)
	f.payload = append(f.payload, `","p":"abcdefgh"}`...)
	return appendFrame(dst, eventHeaders("chunk"), f.payload)
}
