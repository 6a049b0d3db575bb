package openai

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"strconv"

	"sluice/internal/wire"
)

// AppendEmbeddings appends an embeddings list. packed chooses base64 of little-endian float32 instead of JSON numbers.
func AppendEmbeddings(dst []byte, model string, vectors [][]float32, packed bool, input int64) []byte {
	dst = append(dst, `{"object":"list","data":[`...)
	for i, v := range vectors {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"object":"embedding","index":`...)
		dst = strconv.AppendInt(dst, int64(i), 10)
		dst = append(dst, `,"embedding":`...)
		if packed {
			dst = encPacked(dst, v)
		} else {
			dst = encFloats(dst, v)
		}
		dst = append(dst, '}')
	}
	dst = append(dst, `],"model":`...)
	dst = wire.AppendString(dst, model)
	dst = append(dst, `,"usage":{"prompt_tokens":`...)
	dst = strconv.AppendInt(dst, input, 10)
	dst = append(dst, `,"total_tokens":`...)
	dst = strconv.AppendInt(dst, input, 10)
	return append(dst, `}}`...)
}

// ModelCard is one entry of the models list.
type ModelCard struct {
	ID      string
	Created int64 // Unix seconds
	OwnedBy string
}

// AppendModel appends one model object.
func AppendModel(dst []byte, m ModelCard) []byte {
	dst = append(dst, `{"id":`...)
	dst = wire.AppendString(dst, m.ID)
	dst = append(dst, `,"object":"model","created":`...)
	dst = strconv.AppendInt(dst, m.Created, 10)
	dst = append(dst, `,"owned_by":`...)
	return append(wire.AppendString(dst, m.OwnedBy), '}')
}

// AppendModels appends the models list.
func AppendModels(dst []byte, models []ModelCard) []byte {
	dst = append(dst, `{"object":"list","data":[`...)
	for i, m := range models {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = AppendModel(dst, m)
	}
	return append(dst, `]}`...)
}

func encFloats(dst []byte, v []float32) []byte {
	dst = append(dst, '[')
	for i, f := range v {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = strconv.AppendFloat(dst, float64(f), 'g', -1, 32)
	}
	return append(dst, ']')
}

func encPacked(dst []byte, v []float32) []byte {
	raw := make([]byte, 0, 4*len(v))
	for _, f := range v {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(f))
	}
	dst = append(dst, '"')
	dst = base64.StdEncoding.AppendEncode(dst, raw)
	return append(dst, '"')
}
