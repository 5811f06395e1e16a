// The strip: a bar while connected, dashes while away, a red tick where the link broke. The sentence above says the same.
import { STRIP_MS, type Strip } from '../words/strip'

const WIDTH = 1440

export function StripPicture({ strip, label, now }: { strip: Strip; label: string; now: number }) {
  const x = (at: number) => ((at - (now - STRIP_MS)) / STRIP_MS) * WIDTH
  return (
    <svg className="strip" viewBox={`0 0 ${WIDTH} 20`} preserveAspectRatio="none" role="img" aria-label={label}>
      {strip.spans.map(({ from, to, isOn }) =>
        isOn ? (
          <rect className="on" x={x(from)} y="6" width={Math.max(1, x(to) - x(from))} height="8" rx="1" key={from} />
        ) : (
          <path className="off" d={`M${x(from)} 10H${x(to)}`} strokeDasharray="4 4" key={from} />
        ),
      )}
      {strip.cuts.map(at => (
        <rect className="cut" x={x(at) - 1} y="2" width="3" height="16" key={at} />
      ))}
    </svg>
  )
}
