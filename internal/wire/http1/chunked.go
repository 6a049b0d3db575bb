package http1

import (
	"errors"
	"io"
	"net"
)

const (
	maxSizeLine = 4 << 10  // bytes of a chunk's size with its extensions
	maxTrailer  = 64 << 10 // bytes of all trailers
)

var (
	errChunkSize  = errors.New("chunk size of the answer is malformed")
	errChunkEnd   = errors.New("chunk of the answer is longer than its size")
	errChunkLimit = errors.New("chunk extensions or trailers of the answer are too long")
)

// chunkState is where in the grammar of RFC 9112, section 7.1, the next byte stands.
type chunkState uint8

const (
	inSize    chunkState = iota // hexadecimal digits
	inExt                       // what follows the digits, up to the line feed
	inData                      // left bytes of the chunk
	dataCR                      // the line end behind them
	dataLF                      //
	trailer                     // at the start of a line of the trailer
	inTrailer                   // within one
	ended                       // the body is over
)

// chunked takes the chunks of a body apart, in the memory that they were read into. It is a state machine over whatever
// pieces the socket gives, so it needs no buffer of its own and no byte is copied but to close the gaps.
type chunked struct {
	state  chunkState
	left   uint64 // of the chunk
	digits int    // of its size
	line   int    // bytes of the size line or of the trailers so far
}

// decode moves the data in p to its front and returns how much it is, and how many bytes of p belong to the body. rest is
// less than len(p) only when the body has ended.
func (c *chunked) decode(p []byte) (n, rest int, err error) {
	i := 0
	for i < len(p) && c.state != ended {
		if c.state == inData {
			m := int(min(c.left, uint64(len(p)-i)))
			if n != i {
				copy(p[n:], p[i:i+m])
			}
			n, i, c.left = n+m, i+m, c.left-uint64(m)
			if c.left == 0 {
				c.state = dataCR
			}
			continue
		}
		if err := c.step(p[i]); err != nil {
			return n, i, err
		}
		i++
	}
	return n, i, nil
}

// step takes one byte of framing.
func (c *chunked) step(b byte) error {
	switch c.state {
	case inSize, inExt:
		return c.size(b)
	case dataCR:
		if b != '\r' {
			return errChunkEnd
		}
		c.state = dataLF
	case dataLF:
		if b != '\n' {
			return errChunkEnd
		}
		c.state = inSize
	case trailer, inTrailer:
		if c.line++; c.line > maxTrailer {
			return errChunkLimit
		}
		switch {
		case b == '\n' && c.state == trailer:
			c.state = ended
		case b == '\n':
			c.state = trailer
		case b != '\r':
			c.state = inTrailer
		}
	}
	return nil
}

// size takes one byte of the line with a chunk's size.
func (c *chunked) size(b byte) error {
	if c.line++; c.line > maxSizeLine {
		return errChunkLimit
	}
	if c.state == inSize {
		if d, ok := hex(b); ok {
			if c.digits++; c.digits > 15 { // more than any body has
				return errChunkSize
			}
			c.left = c.left<<4 | uint64(d)
			return nil
		}
		if c.digits == 0 || b != '\r' && b != ';' && b != ' ' && b != '\t' {
			return errChunkSize
		}
		c.state = inExt
		return nil
	}
	if b != '\n' {
		return nil
	}
	c.state = inData
	if c.left == 0 {
		c.state = trailer
	}
	c.digits, c.line = 0, 0
	return nil
}

func hex(b byte) (d byte, ok bool) {
	switch {
	case b >= '0' && b <= '9':
		return b - '0', true
	case b >= 'a' && b <= 'f':
		return b - 'a' + 10, true
	case b >= 'A' && b <= 'F':
		return b - 'A' + 10, true
	}
	return 0, false
}

// chunkedBody reads a chunked body: first what is in the connection's buffer, then from the socket into the caller's memory.
type chunkedBody struct {
	c   *conn
	nc  net.Conn // of c, once its buffer is empty; nil before
	dec chunked
}

// Read returns decoded bytes, io.EOF at the end of the body, and io.ErrUnexpectedEOF if the connection ends before it.
func (b *chunkedBody) Read(p []byte) (int, error) {
	for len(p) > 0 {
		if b.dec.state == ended {
			return 0, io.EOF
		}
		n, err := b.take(p)
		got, rest, bad := b.dec.decode(p[:n])
		if rest < n {
			b.c.extra = true // something follows the body that nobody has asked for
		}
		switch {
		case bad != nil:
			return got, bad
		case b.dec.state == ended:
			return got, io.EOF
		case err == io.EOF:
			return got, io.ErrUnexpectedEOF
		case err != nil || got > 0:
			return got, err
		}
	}
	return 0, nil
}

// take reads framed bytes.
func (b *chunkedBody) take(p []byte) (int, error) {
	if b.nc != nil {
		return b.nc.Read(p)
	}
	if b.c.buffered() > 0 {
		return b.c.br.Read(p[:min(len(p), b.c.buffered())])
	}
	b.c.drop()
	b.nc = b.c.nc
	return b.nc.Read(p)
}

// Close does nothing: the answer gives the connection back.
func (b *chunkedBody) Close() error { return nil }
