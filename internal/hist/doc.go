// Package hist counts durations and sizes in histograms of powers of two.
//
// Recording is a few plain additions without allocations, so that it may stand on the path of
// every command, under a lock that is held there anyway. Histograms that many CPUs share would
// still cost them cache misses: keep a [Hist] per session or device and [Hist.Merge] what is read
// from them.
//
// A power-of-two bucket tells a latency within a factor of two, less with the interpolation of
// [Hist.Quantile]; that is enough to tell a cache hit from a disk and a disk from a fault.
//
// The engine and the transports import it; it imports only the standard library.
package hist
