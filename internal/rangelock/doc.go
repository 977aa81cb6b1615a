// Package rangelock locks ranges of blocks, shared or exclusive.
//
// A disk uses it to make COMPARE AND WRITE atomic (SBC-4 5.3): every command that modifies blocks
// holds its range shared, COMPARE AND WRITE holds it exclusively. Shared holders never wait for
// each other, overlapping or not. An exclusive holder waits for every overlapping holder that came
// before it, and those that come after it wait for it, in the order of arrival.
//
// As exclusive holders are rare, the shared side costs two atomic operations while there is
// none, and no two CPUs meet on one cache line. Neither side allocates in steady state.
//
// It is imported by device types and must not import anything but the standard library.
package rangelock
