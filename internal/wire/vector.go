package wire

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
)

// AppendVector appends an embedding as JSON: an array of numbers, or, packed, a string with the base64 of little-endian
// float32, as OpenAI, Voyage, Jina and Cohere write it. Numbers have as many digits as a float32 needs to be read back
// the same. What JSON has no number for (NaN, infinity) becomes null.
func AppendVector(dst []byte, v []float32, packed bool) []byte {
	if packed {
		raw := make([]byte, 0, 4*len(v))
		for _, f := range v {
			raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(f))
		}
		dst = append(dst, '"')
		dst = base64.StdEncoding.AppendEncode(dst, raw)
		return append(dst, '"')
	}
	dst = append(dst, '[')
	for i, f := range v {
		if i > 0 {
			dst = append(dst, ',')
		}
		if f64 := float64(f); math.IsNaN(f64) || math.IsInf(f64, 0) {
			dst = append(dst, "null"...)
			continue
		}
		dst = strconv.AppendFloat(dst, float64(f), 'g', -1, 32)
	}
	return append(dst, ']')
}

// ReadVector reads an embedding in either form that AppendVector writes; lit is JSON that a Scanner has passed.
func ReadVector(lit []byte) ([]float32, error) {
	if len(lit) > 0 && lit[0] == '"' {
		return unpack(lit)
	}
	var sc Scanner
	sc.Reset(lit)
	if !sc.Array() {
		return nil, fmt.Errorf("read embedding: it is %s; it must be an array of numbers or a string in base64", sc.Kind())
	}
	v := make([]float32, 0, len(lit)/12+1)
	for sc.Element() {
		kind := sc.Kind()
		at := sc.Value()
		if sc.Err() != nil {
			break
		}
		if kind != Number {
			return nil, fmt.Errorf("read embedding: element %d is %s; it must be a number", len(v), kind)
		}
		f, err := strconv.ParseFloat(string(at.Of(lit)), 32)
		if err != nil {
			return nil, fmt.Errorf("read embedding: element %d is beyond a float32", len(v))
		}
		v = append(v, float32(f))
	}
	return v, sc.Err()
}

// unpack reads a JSON string with base64 of little-endian float32.
func unpack(lit []byte) ([]float32, error) {
	text := Unquote(nil, lit)
	raw := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
	n, err := base64.StdEncoding.Decode(raw, text)
	if err != nil {
		return nil, fmt.Errorf("read embedding: %w", err)
	}
	if n%4 != 0 {
		return nil, errors.New("read embedding: the base64 text is no whole number of float32")
	}
	v := make([]float32, n/4)
	for i := range v {
		v[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	return v, nil
}
