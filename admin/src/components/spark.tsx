// The last ten minutes of a tunnel as a line; the sentence says the same.

const HEIGHT = 24
const TOP = 2

export function Spark({ values, label }: { values: readonly (number | bigint)[]; label: string }) {
  const numbers = values.map(Number)
  const most = Math.max(...numbers, 1)
  const points = numbers.map((value, index) => {
    const x = numbers.length < 2 ? 0 : (index / (numbers.length - 1)) * 100
    return `${x.toFixed(1)} ${(HEIGHT - 1 - (value / most) * (HEIGHT - 1 - TOP)).toFixed(1)}`
  })
  const line = `M${points.join('L')}`
  return (
    <svg className="spark" viewBox={`0 0 100 ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label={label}>
      {points.length > 1 && <path className="ar" d={`${line}L100 ${HEIGHT}L0 ${HEIGHT}Z`} />}
      {points.length > 1 && <path className="ln" d={line} />}
    </svg>
  )
}
