package ledger

import (
	"time"

	"sluice/internal/llm"
)

// Row is what the ledger keeps of one call. It is a plain value; empty strings and zero durations mean "not known" or
// "did not happen".
type Row struct {
	ID   string    // the call's id; unique. Ids that grow with time make the cheapest primary key; any unique text works
	Time time.Time // arrival, wall clock; kept in microseconds

	Key      string // name of the client's key; empty when the gateway is open
	User     string // end user that the client named
	Op       string // operation, by llm.Op.String
	Front    string // dialect of the client
	Model    string // model as the client wrote it
	Target   string // provider/model that answered, or that was tried last
	Provider string // account of the target
	Region   string
	Class    string // priority class
	Stream   bool

	Status   int    // HTTP status that the client got; 499 when it left
	Code     string // llm.Kind.Code of the outcome; empty for success
	Cause    string // llm.Cause of the outcome; empty for success
	Attempts int    // sends to a provider

	Usage       llm.Usage
	CostNanoUSD int64  // billionths of a US dollar; meaningless unless Priced
	Priced      bool   // false: the price is unknown, which is not the same as zero
	PriceAsOf   string // date of the price table's entry

	Queue      time.Duration // waited for capacity
	FirstToken time.Duration // arrival to first content
	Total      time.Duration // arrival to end
	Overhead   time.Duration // spent in Sluice itself

	BytesIn, BytesOut int64 // bodies, as the client sent and got them

	Tags     []string
	Snapshot string // id of the configuration that the call ran under
	TraceID  string
}
