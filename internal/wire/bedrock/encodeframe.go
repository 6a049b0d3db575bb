package bedrock

import (
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
)

// AppendFrame appends an event with a JSON payload as one frame.
func AppendFrame(dst []byte, eventType string, payload []byte) []byte {
	return appendFrame(dst, payload, [...][2]string{{":event-type", eventType}, {":content-type", "application/json"}, {":message-type", "event"}})
}

// AppendException appends an exception ("throttlingException") as one frame. payload is an object with message.
func AppendException(dst []byte, exceptionType string, payload []byte) []byte {
	return appendFrame(dst, payload, [...][2]string{{":exception-type", exceptionType}, {":content-type", "application/json"}, {":message-type", "exception"}})
}

// AppendChunk appends an event of Claude's own protocol, as invoke-with-response-stream wraps it.
func AppendChunk(dst, event []byte) []byte {
	payload := append(make([]byte, 0, 16+base64.StdEncoding.EncodedLen(len(event))), `{"bytes":"`...)
	payload = base64.StdEncoding.AppendEncode(payload, event)
	return AppendFrame(dst, "chunk", append(payload, `"}`...))
}

func appendFrame(dst, payload []byte, headers [3][2]string) []byte {
	start := len(dst)
	dst = append(dst, make([]byte, preludeLen+crcLen)...)
	for _, h := range headers {
		dst = append(dst, byte(len(h[0])))
		dst = append(dst, h[0]...)
		dst = append(dst, typeString)
		dst = binary.BigEndian.AppendUint16(dst, uint16(len(h[1])))
		dst = append(dst, h[1]...)
	}
	head := len(dst) - start - preludeLen - crcLen
	dst = append(dst, payload...)
	total := len(dst) - start + crcLen
	binary.BigEndian.PutUint32(dst[start:], uint32(total))
	binary.BigEndian.PutUint32(dst[start+4:], uint32(head))
	binary.BigEndian.PutUint32(dst[start+preludeLen:], crc32.ChecksumIEEE(dst[start:start+preludeLen]))
	return binary.BigEndian.AppendUint32(dst, crc32.ChecksumIEEE(dst[start:]))
}
