// The scheme that this browser keeps, before the first paint.

export const THEME_KEY = 'pbt-theme'

/** Runs before the first paint, so that the page never flashes in the other scheme. */
export const EARLY_THEME = `try{var t=localStorage.getItem('${THEME_KEY}');if(t==='dark'||t==='light')document.documentElement.dataset.theme=t}catch{}`
