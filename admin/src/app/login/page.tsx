import { LoginForm } from './form'

export default function Page() {
  return <LoginForm />
}
